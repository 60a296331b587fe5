metadata description = 'Every right that the deployment gives, and why. There is no role assignment in any other file.'

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Object id of the sources\' identity.')
param sourcesPrincipalId string

@description('Name of the host\'s storage account.')
param hostAccountName string

@description('Name of the state\'s storage account.')
param stateAccountName string

@description('Name of the sources\' storage account.')
param sourcesAccountName string

@description('Name of the Service Bus namespace.')
param namespaceName string

@description('Name of the vault.')
param vaultName string

@description('Name of the Application Insights resource.')
param insightsName string

@description('Whether the app may write secrets.')
param secretsFromPage bool

@description('Whether the platform may read the exact length of the queues.')
param exactScaling bool

@description('Object id of who sets secrets; empty: nobody.')
param secretsOfficerId string

@description('What secretsOfficerId is.')
param secretsOfficerType string

// Built-in roles by their fixed ids. Source: Microsoft Learn, "Azure built-in roles".
var roles = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  serviceBusDataReceiver: '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  serviceBusDataSender: '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
  serviceBusDataOwner: '090c5cfd-751d-490a-894a-3ce6f1109419'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource host 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostAccountName
}

resource state 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: stateAccountName
}

resource sources 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: sourcesAccountName
}

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: namespaceName
}

resource jobs 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = {
  parent: namespace
  name: 'sync-jobs'
}

resource events 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = {
  parent: namespace
  name: 'sync-events'
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

// The Functions host keeps timer leases and the keys of its HTTP doors in blobs, fetches its package there, and sets
// leases on containers that it makes itself: Microsoft asks for Owner of blobs, not Contributor.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: host
  name: guid(host.id, appPrincipalId, roles.storageBlobDataOwner)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
  }
}

// The host writes what went wrong at its start into a table (diagnostic events); without it such faults are not seen.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: host
  name: guid(host.id, appPrincipalId, roles.storageTableDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

// The app keeps jobs, leases and outcomes in tables.
resource stateTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: state
  name: guid(state.id, appPrincipalId, roles.storageTableDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

// The app keeps plans, rejects and reports as blobs.
resource stateBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: state
  name: guid(state.id, appPrincipalId, roles.storageBlobDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
  }
}

// Sources read their files, and nothing else: an identity of its own, without any right on the state.
resource sourceFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: sources
  name: guid(sources.id, sourcesPrincipalId, roles.storageBlobDataReader)
  properties: {
    principalId: sourcesPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
  }
}

// The trigger takes job nudges.
resource jobsReceive 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: jobs
  name: guid(jobs.id, appPrincipalId, roles.serviceBusDataReceiver)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataReceiver)
  }
}

// Starting a job, and going on with it, sends a nudge.
resource jobsSend 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: jobs
  name: guid(jobs.id, appPrincipalId, roles.serviceBusDataSender)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataSender)
  }
}

// The trigger takes change messages and looks at their dead letters.
resource eventsReceive 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: events
  name: guid(events.id, appPrincipalId, roles.serviceBusDataReceiver)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataReceiver)
  }
}

// `publish` and `redrive` send change messages. Other senders get this role on this queue from whoever looks after them.
resource eventsSend 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: events
  name: guid(events.id, appPrincipalId, roles.serviceBusDataSender)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataSender)
  }
}

// The platform reads a queue's exact length only with the right to manage it. A switch, for it is more than work needs.
resource jobsScale 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (exactScaling) {
  scope: jobs
  name: guid(jobs.id, appPrincipalId, roles.serviceBusDataOwner)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataOwner)
  }
}

// The same for change messages.
resource eventsScale 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (exactScaling) {
  scope: events
  name: guid(events.id, appPrincipalId, roles.serviceBusDataOwner)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataOwner)
  }
}

// The app reads the secrets that syncs name. Which sync may name which is decided by syncs/reach.yaml.
resource secretsRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, appPrincipalId, roles.keyVaultSecretsUser)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
  }
}

// Writing secrets from the page: only with the switch, for whoever takes over the app could then replace every secret.
resource secretsWrite 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (secretsFromPage) {
  scope: vault
  name: guid(vault.id, appPrincipalId, roles.keyVaultSecretsOfficer)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsOfficer)
  }
}

// The person or group that sets secrets with `dynsync secrets set`.
resource secretsOfficer 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(secretsOfficerId)) {
  scope: vault
  name: guid(vault.id, secretsOfficerId, roles.keyVaultSecretsOfficer)
  properties: {
    principalId: secretsOfficerId
    principalType: secretsOfficerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsOfficer)
  }
}

// The app sends its logs by identity; Application Insights takes none without.
resource logsSend 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, appPrincipalId, roles.monitoringMetricsPublisher)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
  }
}
