targetScope = 'subscription'

metadata description = 'Dynamics Sync: one resource group with everything that it needs. docs/deploy.md tells how it is used.'

// ---- names and places

@description('Short name of this environment, such as dev or prod. Part of every resource\'s name.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Azure region of all resources. Best the one nearest to the Dataverse environment.')
@minLength(1)
param location string

@description('Name of the resource group. Empty: rg-dynsync-<environment>.')
param resourceGroupName string = ''

@description('Start of every resource\'s name. Letters and digits.')
@minLength(2)
@maxLength(10)
param namePrefix string = 'dynsync'

@description('Tags of every resource, beside the environment\'s name.')
param tags object = {}

// ---- the app

@description('Where the app runs: flex (Flex Consumption, the default), premium (Elastic Premium: larger instances, always warm) or dedicated (an App Service plan). Jobs that need more than about 0.8 GB of temporary disk need premium or dedicated.')
@allowed(['flex', 'premium', 'dedicated'])
param hosting string = 'flex'

@description('Size of an instance for premium (EP1, EP2, EP3) and dedicated (P0v3, P1v3, P2v3, P3v3). Empty: the smallest of the kind. Not used by flex.')
@allowed(['', 'EP1', 'EP2', 'EP3', 'P0v3', 'P1v3', 'P2v3', 'P3v3'])
param planSize string = ''

@description('Memory of a Flex Consumption instance in MB. Its processor share grows with it.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('The most instances at a time.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 40

@description('Flex Consumption instances that are kept ready for the page and the API. 0: none, the first call waits for a cold start.')
@minValue(0)
@maxValue(20)
param alwaysReadyHttp int = 0

@description('Jobs that ended are removed with their plans and rejects after so many days; 0: never.')
@minValue(0)
param retentionDays int = 90

@description('Syncs that may be started with a function key, by name with commas between; *: every one. Empty: none.')
param keySyncs string = ''

@description('The most that one call may bring, in MB. Larger files go to the storage account of sources.')
@minValue(1)
@maxValue(90)
param uploadMB int = 10

@description('Lanes of real time: sessions over which change messages are spread. Every publisher uses the same number; change it only while the queue is empty.')
@minValue(1)
@maxValue(1024)
param lanes int = 64

@description('More settings of the app, by name: DYNSYNC_VAR_… that definitions read, DYNSYNC_APP_URL of a domain of your own. A deployment sets all settings anew, so what is set by hand is gone with the next. Never a secret: those belong into the vault.')
param moreSettings object = {}

// ---- signing in

@description('Client id of the Entra app registration of the page and the API (tools/entra-app makes it). Empty: App Service authentication stays off and the page is closed to everybody.')
param signInClientId string = ''

@description('Entra tenant that signs people in. Empty: the subscription\'s tenant.')
param signInTenantId string = ''

// ---- rights

@description('Object id of the person or group that sets secrets in the vault. Empty: nobody is given that right here.')
param secretsOfficerId string = ''

@description('What secretsOfficerId is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param secretsOfficerType string = 'User'

@description('Let the app write secrets, so that they can be set on its page. Off: the app only reads them.')
param secretsFromPage bool = false

@description('Let the platform read the exact length of the queues for scaling. It takes Data Owner on the two queues; off: the platform estimates.')
param exactScaling bool = false

// ---- parts

@description('Tier of Service Bus. Private networking takes Premium whatever stands here.')
@allowed(['Standard', 'Premium'])
param busTier string = 'Standard'

@description('A change message that nobody took in this time goes to the dead letters (ISO 8601 duration).')
param eventTimeToLive string = 'P14D'

@description('Copies of the storage accounts: LRS (one site), ZRS (several zones), GRS or GZRS (also another region).')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageRedundancy string = 'Standard_LRS'

@description('Containers for source files, in the account of sources. Name them in syncs/reach.yaml too.')
param sourceContainers array = ['incoming']

@description('Days that deleted blobs, containers and secrets can be brought back.')
@minValue(7)
@maxValue(90)
param softDeleteDays int = 30

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('The most log data taken in a day, in GB. -1: no limit. What is over is lost until the next day, alerts with it.')
param logDailyCapGB int = -1

// ---- network

@description('Put storage, vault and Service Bus behind private endpoints in a virtual network of their own. The app reaches them through it; its page and API keep their public address.')
param privateNetworking bool = false

@description('Address range of the virtual network.')
param addressPrefix string = '10.84.0.0/24'

@description('Address range of the subnet that the app works from, within the network\'s; a /26 carries its growth.')
param appPrefix string = '10.84.0.0/26'

@description('Address range of the subnet of the private endpoints, within the network\'s.')
param endpointsPrefix string = '10.84.0.64/26'

// ---- watching

@description('Mail address that alerts and the budget write to. Empty: alerts show in the portal only.')
param alertEmail string = ''

@description('Resource id of an action group that there is already. Empty: one is made when alertEmail is given.')
param actionGroupId string = ''

@description('Switch for all alert rules.')
param alertsEnabled bool = true

@description('Share of rejected records of one job, in percent, from which on an alert is raised.')
@minValue(1)
@maxValue(100)
param rejectSharePercent int = 5

@description('Minutes from which on change messages that wait are too old: parked ones, a listener that is held, the lag of applied ones.')
@minValue(5)
param lagMinutes int = 15

@description('Change messages waiting in the queue from which on an alert is raised.')
@minValue(1)
param backlogMessages int = 10000

@description('Money that a month may cost before the budget writes, in the currency of the subscription. 0: no budget.')
@minValue(0)
param monthlyBudget int = 50

@description('First day of the budget\'s first month (yyyy-MM-01). Left out: this month.')
param budgetStart string = utcNow('yyyy-MM-01')

// ----

// azd takes letters, digits, hyphens, underscores and dots; names of resources take less.
var plainName = toLower(replace(replace(environmentName, '_', '-'), '.', '-'))
var groupName = empty(resourceGroupName) ? 'rg-${namePrefix}-${plainName}' : resourceGroupName
var allTags = union({ 'azd-env-name': environmentName, application: 'dynamics-sync' }, tags)
var suffix = toLower(uniqueString(subscription().id, groupName, location))
var chosenBusTier = privateNetworking ? 'Premium' : busTier

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: groupName
  location: location
  tags: allTags
}

module identities 'modules/identities.bicep' = {
  name: 'identities'
  scope: group
  params: {
    location: location
    tags: allTags
    namePrefix: namePrefix
    environmentName: plainName
  }
}

module watching 'modules/watching.bicep' = {
  name: 'watching'
  scope: group
  params: {
    location: location
    tags: allTags
    namePrefix: namePrefix
    environmentName: plainName
    logRetentionDays: logRetentionDays
    logDailyCapGB: logDailyCapGB
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: allTags
    suffix: suffix
    redundancy: storageRedundancy
    sourceContainers: sourceContainers
    softDeleteDays: softDeleteDays
    privateOnly: privateNetworking
    workspaceId: watching.outputs.workspaceId
  }
}

module bus 'modules/bus.bicep' = {
  name: 'bus'
  scope: group
  params: {
    location: location
    tags: allTags
    namespaceName: 'sb-${namePrefix}-${plainName}-${suffix}'
    tier: chosenBusTier
    eventTimeToLive: eventTimeToLive
    privateOnly: privateNetworking
    workspaceId: watching.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    location: location
    tags: allTags
    vaultName: 'kv${suffix}'
    softDeleteDays: softDeleteDays
    privateOnly: privateNetworking
    workspaceId: watching.outputs.workspaceId
  }
}

module access 'modules/access.bicep' = {
  name: 'access'
  scope: group
  params: {
    appPrincipalId: identities.outputs.appPrincipalId
    sourcesPrincipalId: identities.outputs.sourcesPrincipalId
    hostAccountName: storage.outputs.hostAccountName
    stateAccountName: storage.outputs.stateAccountName
    sourcesAccountName: storage.outputs.sourcesAccountName
    namespaceName: bus.outputs.namespaceName
    vaultName: vault.outputs.vaultName
    insightsName: watching.outputs.insightsName
    secretsFromPage: secretsFromPage
    exactScaling: exactScaling
    secretsOfficerId: secretsOfficerId
    secretsOfficerType: secretsOfficerType
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: allTags
    namePrefix: namePrefix
    environmentName: plainName
    addressPrefix: addressPrefix
    appPrefix: appPrefix
    endpointsPrefix: endpointsPrefix
    delegation: hosting == 'flex' ? 'Microsoft.App/environments' : 'Microsoft.Web/serverFarms'
    targets: [
      { name: 'host-blob', part: 'blob', id: storage.outputs.hostAccountId }
      { name: 'host-queue', part: 'queue', id: storage.outputs.hostAccountId }
      { name: 'host-table', part: 'table', id: storage.outputs.hostAccountId }
      { name: 'state-blob', part: 'blob', id: storage.outputs.stateAccountId }
      { name: 'state-table', part: 'table', id: storage.outputs.stateAccountId }
      { name: 'sources-blob', part: 'blob', id: storage.outputs.sourcesAccountId }
      { name: 'vault', part: 'vault', id: vault.outputs.vaultId }
      { name: 'bus', part: 'namespace', id: bus.outputs.namespaceId }
    ]
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    location: location
    tags: allTags
    appName: 'func-${namePrefix}-${plainName}-${suffix}'
    planName: 'plan-${namePrefix}-${plainName}'
    hosting: hosting
    planSize: planSize
    instanceMemoryMB: instanceMemoryMB
    maximumInstances: maximumInstances
    alwaysReadyHttp: alwaysReadyHttp
    retentionDays: retentionDays
    keySyncs: keySyncs
    uploadMB: uploadMB
    lanes: lanes
    moreSettings: moreSettings
    appIdentityId: identities.outputs.appIdentityId
    appClientId: identities.outputs.appClientId
    sourcesIdentityId: identities.outputs.sourcesIdentityId
    sourcesClientId: identities.outputs.sourcesClientId
    hostAccountName: storage.outputs.hostAccountName
    packageContainerUrl: storage.outputs.packageContainerUrl
    stateTablesUrl: storage.outputs.stateTablesUrl
    stateBlobsUrl: storage.outputs.stateBlobsUrl
    sourcesBlobsUrl: storage.outputs.sourcesBlobsUrl
    busHost: bus.outputs.host
    vaultUrl: vault.outputs.vaultUrl
    insightsConnection: watching.outputs.insightsConnection
    subnetId: privateNetworking ? network.outputs.appSubnetId : ''
    signInClientId: signInClientId
    signInTenantId: empty(signInTenantId) ? tenant().tenantId : signInTenantId
  }
  dependsOn: [
    access
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: allTags
    namePrefix: namePrefix
    environmentName: plainName
    workspaceId: watching.outputs.workspaceId
    namespaceId: bus.outputs.namespaceId
    vaultId: vault.outputs.vaultId
    alertEmail: alertEmail
    actionGroupId: actionGroupId
    enabled: alertsEnabled
    rejectSharePercent: rejectSharePercent
    lagMinutes: lagMinutes
    backlogMessages: backlogMessages
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: allTags
    displayName: 'Dynamics Sync ${environmentName}'
    workspaceId: watching.outputs.workspaceId
  }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  name: 'budget'
  scope: group
  params: {
    budgetName: 'budget-${namePrefix}-${plainName}'
    amount: monthlyBudget
    startDate: budgetStart
    actionGroupId: alerts.outputs.actionGroupId
    contactEmail: alertEmail
  }
}

@description('Tenant that signs people in, for the registration in Entra.')
output AZURE_TENANT_ID string = empty(signInTenantId) ? tenant().tenantId : signInTenantId

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the function app.')
output DYNSYNC_APP_NAME string = app.outputs.appName

@description('Address of the page and the API.')
output DYNSYNC_APP_URL string = app.outputs.appUrl

@description('Whether App Service authentication was asked for; without it the page is closed.')
output DYNSYNC_SIGN_IN_IS_ON bool = !empty(signInClientId)

@description('Address of the vault, for `dynsync secrets set`.')
output DYNSYNC_KEY_VAULT_URL string = vault.outputs.vaultUrl

@description('Address of the storage account for source files.')
output DYNSYNC_SOURCE_STORAGE string = storage.outputs.sourcesBlobsUrl

@description('Client id of the app\'s identity: the application user of `auth: managed_identity`.')
output DYNSYNC_APP_CLIENT_ID string = identities.outputs.appClientId

@description('Object id of the app\'s identity, for the federated credential of the sign-in.')
output DYNSYNC_APP_PRINCIPAL_ID string = identities.outputs.appPrincipalId

@description('Where the package goes when the app runs on the premium plan.')
output DYNSYNC_PACKAGE_CONTAINER string = storage.outputs.packageContainerUrl

@description('The Service Bus namespace, for those who send change messages.')
output DYNSYNC_BUS_HOST string = bus.outputs.host
