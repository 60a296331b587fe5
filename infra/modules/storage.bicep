metadata description = 'Three storage accounts without keys: the host\'s own, the state (jobs, plans, rejects), and the sources\' files.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('End of every account\'s name, unique in the world.')
param suffix string

@description('Copies that are kept.')
param redundancy string

@description('Containers for source files.')
param sourceContainers array

@description('Days that deleted blobs and containers can be brought back.')
param softDeleteDays int

@description('Whether only private endpoints lead there.')
param privateOnly bool

@description('Workspace that keeps the accounts\' own logs.')
param workspaceId string

var rules = {
  // The accounts hold no keys, so a caller always needs a role; private networking closes the public way too.
  defaultAction: privateOnly ? 'Deny' : 'Allow'
  bypass: 'AzureServices'
}
var closed = privateOnly ? 'Disabled' : 'Enabled'

// The Functions host: the deployed package, timer leases, keys of the HTTP doors.
resource host 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'sthost${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: closed
    networkAcls: rules
  }
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: host
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
  }
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: hostBlobs
  name: 'packages'
  properties: { publicAccess: 'None' }
}

// The state: as confidential as the tables themselves, for plans and rejects hold field values.
resource state 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'ststate${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: closed
    networkAcls: rules
  }
}

resource stateBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: state
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
  }
}

// Who read plans and rejects can be told afterwards.
resource stateLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: stateBlobs
  name: 'reads'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageRead', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

// The sources' files: written by others, read by the sources' identity.
resource sources 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'stsrc${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: closed
    networkAcls: rules
  }
}

resource sourceBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: sources
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for name in sourceContainers: {
  parent: sourceBlobs
  name: name
  properties: { publicAccess: 'None' }
}]

@description('Name of the host\'s account.')
output hostAccountName string = host.name

@description('Resource id of the host\'s account.')
output hostAccountId string = host.id

@description('Address of the container that the app is deployed to.')
output packageContainerUrl string = '${host.properties.primaryEndpoints.blob}${packages.name}'

@description('Name of the state\'s account.')
output stateAccountName string = state.name

@description('Resource id of the state\'s account.')
output stateAccountId string = state.id

@description('Address of the state\'s tables.')
output stateTablesUrl string = 'https://${state.name}.table.${environment().suffixes.storage}'

@description('Address of the state\'s blobs.')
output stateBlobsUrl string = 'https://${state.name}.blob.${environment().suffixes.storage}'

@description('Name of the sources\' account.')
output sourcesAccountName string = sources.name

@description('Resource id of the sources\' account.')
output sourcesAccountId string = sources.id

@description('Address of the sources\' blobs.')
output sourcesBlobsUrl string = 'https://${sources.name}.blob.${environment().suffixes.storage}'
