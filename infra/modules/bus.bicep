metadata description = 'Service Bus with the two queues of the app. Entered by identity only.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the namespace, unique in the world.')
param namespaceName string

@description('Standard or Premium. Sessions need one of these.')
param tier string

@description('A change message that nobody took in this time goes to the dead letters.')
param eventTimeToLive string

@description('Whether only private endpoints lead there (Premium).')
param privateOnly bool

@description('Workspace that keeps the namespace\'s own logs.')
param workspaceId string

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: namespaceName
  location: location
  tags: tags
  sku: {
    name: tier
    tier: tier
    capacity: tier == 'Premium' ? 1 : null
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: privateOnly ? 'Disabled' : 'Enabled'
  }
}

// Nudges: "job so-and-so wants another slice". The job's row is the truth and the timer nudges again, so one that is
// old or was tried often is worth nothing; its dead letters show that slices die.
resource jobs 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: namespace
  name: 'sync-jobs'
  properties: {
    requiresSession: false
    lockDuration: 'PT5M'
    maxDeliveryCount: 5
    defaultMessageTimeToLive: 'P1D'
    deadLetteringOnMessageExpiration: false
    requiresDuplicateDetection: false
  }
}

// Change messages, in lanes: sessions keep the order of each record. No duplicate detection: a sender that uses an id
// twice would lose a change, and a message that comes twice is known by the ledger.
resource events 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: namespace
  name: 'sync-events'
  properties: {
    requiresSession: true
    lockDuration: 'PT5M'
    maxDeliveryCount: 10
    defaultMessageTimeToLive: eventTimeToLive
    deadLetteringOnMessageExpiration: true
    requiresDuplicateDetection: false
    maxSizeInMegabytes: 5120
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: namespace
  name: 'operations'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'OperationalLogs', enabled: true }
    ]
  }
}

@description('Name of the namespace.')
output namespaceName string = namespace.name

@description('Resource id of the namespace.')
output namespaceId string = namespace.id

@description('Host of the namespace.')
output host string = replace(replace(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':443', ''), '/', '')
