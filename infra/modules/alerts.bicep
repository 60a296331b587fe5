metadata description = 'What writes to people: alerts over the app\'s own log lines, over the queues and over the vault.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Start of every name.')
param namePrefix string

@description('Name of the environment.')
param environmentName string

@description('Workspace with the app\'s logs.')
param workspaceId string

@description('Resource id of the Service Bus namespace.')
param namespaceId string

@description('Resource id of the vault.')
param vaultId string

@description('Mail address that alerts write to; empty: none.')
param alertEmail string

@description('Action group that there is already; empty: one is made when there is a mail address.')
param actionGroupId string

@description('Switch for all rules.')
param enabled bool

@description('Share of rejected records of a job, in percent.')
param rejectSharePercent int

@description('Minutes after which waiting change messages are too old.')
param lagMinutes int

@description('Change messages waiting in the queue that are too many.')
param backlogMessages int

var makesGroup = empty(actionGroupId) && !empty(alertEmail)
var told = !empty(actionGroupId) ? [actionGroupId] : makesGroup ? [group.id] : []

// severity 1: somebody has to act now; 2: today; 3: this week. minutes: how often a rule looks; window: how far back, in
// minutes. A rule that compares what is told one time with the next looks back over its own turn, so that no turn is lost.
var rules = [
  {
    name: 'job-failed'
    title: 'A job failed'
    severity: 1
    minutes: 5
    window: 5
    query: loadTextContent('../queries/job-failed.kql')
  }
  {
    name: 'job-waits'
    title: 'A job waits for approval'
    severity: 2
    minutes: 5
    window: 5
    query: loadTextContent('../queries/job-waits.kql')
  }
  {
    name: 'job-stranded'
    title: 'A job is stranded'
    severity: 1
    minutes: 30
    window: 30
    query: loadTextContent('../queries/job-stranded.kql')
  }
  {
    name: 'app-silent'
    title: 'The app is silent'
    severity: 1
    minutes: 30
    window: 30
    query: loadTextContent('../queries/app-silent.kql')
  }
  {
    name: 'rejects'
    title: 'Rejects above their share'
    severity: 2
    minutes: 15
    window: 15
    query: replace(loadTextContent('../queries/rejects.kql'), '{percent}', string(rejectSharePercent))
  }
  {
    name: 'events-rejected'
    title: 'Rejected change messages above their share'
    severity: 2
    minutes: 15
    window: 30
    query: replace(loadTextContent('../queries/events-rejected.kql'), '{percent}', string(rejectSharePercent))
  }
  {
    name: 'definition-broken'
    title: 'A definition is broken'
    severity: 2
    minutes: 60
    window: 60
    query: loadTextContent('../queries/definition-broken.kql')
  }
  {
    name: 'throttled'
    title: 'Dataverse made a job wait for half of its time'
    severity: 3
    minutes: 60
    window: 60
    query: loadTextContent('../queries/throttled.kql')
  }
  {
    name: 'parked'
    title: 'Change messages are parked for long'
    severity: 2
    minutes: 30
    window: 30
    query: replace(loadTextContent('../queries/parked.kql'), '{seconds}', string(lagMinutes * 60))
  }
  {
    name: 'listener-stalled'
    title: 'A listener has stalled'
    severity: 1
    minutes: 15
    window: 15
    query: replace(loadTextContent('../queries/listener-stalled.kql'), '{seconds}', string(lagMinutes * 60))
  }
  {
    name: 'lag'
    title: 'Change messages are applied too late'
    severity: 2
    minutes: 15
    window: 15
    query: replace(loadTextContent('../queries/lag.kql'), '{seconds}', string(lagMinutes * 60))
  }
]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (makesGroup) {
  name: 'ag-${namePrefix}-${environmentName}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: take('${namePrefix}${environmentName}', 12)
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource rule 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for one in rules: {
  name: 'alert-${namePrefix}-${environmentName}-${one.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: '${one.title} (${environmentName})'
    severity: one.severity
    enabled: enabled
    scopes: [workspaceId]
    evaluationFrequency: 'PT${one.minutes}M'
    windowSize: 'PT${one.window}M'
    // A workspace has no table of the app before the app has logged for the first time.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: one.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [
            {
              name: 'sync'
              operator: 'Include'
              values: ['*']
            }
          ]
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: false
    actions: {
      actionGroups: told
    }
  }
}]

// Messages that the queues have set aside; each waits for `dynsync redrive` or for a person.
resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-${namePrefix}-${environmentName}-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages in the dead letters of a queue.'
    severity: 2
    enabled: enabled
    scopes: [namespaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead-letters'
          metricName: 'DeadletteredMessages'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: ['*']
            }
          ]
        }
      ]
    }
    autoMitigate: true
    actions: [for id in told: {
      actionGroupId: id
    }]
  }
}

// Messages that nobody takes: the trigger is not listening, or the app cannot keep up.
resource backlog 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-${namePrefix}-${environmentName}-backlog'
  location: 'global'
  tags: tags
  properties: {
    description: 'Change messages wait in the queue.'
    severity: 2
    enabled: enabled
    scopes: [namespaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'backlog'
          metricName: 'ActiveMessages'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          timeAggregation: 'Minimum'
          operator: 'GreaterThan'
          threshold: backlogMessages
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: ['sync-events']
            }
          ]
        }
      ]
    }
    autoMitigate: true
    actions: [for id in told: {
      actionGroupId: id
    }]
  }
}

// Messages wait and not one is taken: the trigger is switched off, or cannot listen. A few messages are enough.
resource untaken 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-${namePrefix}-${environmentName}-untaken'
  location: 'global'
  tags: tags
  properties: {
    description: 'Change messages wait in the queue, and none is taken.'
    severity: 1
    enabled: enabled
    scopes: [namespaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT30M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'waiting'
          metricName: 'ActiveMessages'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          timeAggregation: 'Minimum'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: ['sync-events']
            }
          ]
        }
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'taken'
          metricName: 'CompleteMessage'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          timeAggregation: 'Total'
          operator: 'LessThanOrEqual'
          threshold: 0
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: ['sync-events']
            }
          ]
        }
      ]
    }
    autoMitigate: true
    actions: [for id in told: {
      actionGroupId: id
    }]
  }
}

// The vault itself tells of secrets that end: 30 days before, and on the day. It knows only of secrets that have an
// expiry date, so set one (docs/deploy.md, "Renewing secrets").
resource vaultEvents 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-${namePrefix}-${environmentName}-vault'
  location: location
  tags: tags
  properties: {
    source: vaultId
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

resource secretEnds 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (enabled && !(empty(actionGroupId) && empty(alertEmail))) {
  parent: vaultEvents
  name: 'secret-ends'
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: [
        'Microsoft.KeyVault.SecretNearExpiry'
        'Microsoft.KeyVault.SecretExpired'
      ]
    }
    destination: {
      endpointType: 'MonitorAlert'
      properties: {
        severity: 'Sev2'
        description: 'A secret of Dynamics Sync is about to expire or has expired.'
        actionGroups: told
      }
    }
  }
}

@description('Action group that is told; empty: none.')
output actionGroupId string = !empty(actionGroupId) ? actionGroupId : makesGroup ? group.id : ''
