metadata description = 'The identities that the app acts as. Neither has a secret.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Start of every name.')
param namePrefix string

@description('Name of the environment.')
param environmentName string

// The app itself: host, state, queues, vault, logs and (where a sync says `auth: managed_identity`) Dataverse.
resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${namePrefix}-${environmentName}-app'
  location: location
  tags: tags
}

// Reads source files and databases only, so that a definition can never lead a source to the app's own state.
resource sources 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${namePrefix}-${environmentName}-sources'
  location: location
  tags: tags
}

@description('Resource id of the app\'s identity.')
output appIdentityId string = app.id

@description('Client id of the app\'s identity.')
output appClientId string = app.properties.clientId

@description('Object id of the app\'s identity.')
output appPrincipalId string = app.properties.principalId

@description('Resource id of the sources\' identity.')
output sourcesIdentityId string = sources.id

@description('Client id of the sources\' identity.')
output sourcesClientId string = sources.properties.clientId

@description('Object id of the sources\' identity.')
output sourcesPrincipalId string = sources.properties.principalId
