metadata description = 'The function app: its plan, its settings, its sign-in.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the function app, unique in the world.')
param appName string

@description('Name of the plan.')
param planName string

@description('flex, premium or dedicated.')
@allowed(['flex', 'premium', 'dedicated'])
param hosting string

@description('Size of an instance for premium and dedicated; empty: the smallest.')
param planSize string

@description('Memory of a Flex Consumption instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int

@description('The most instances at a time.')
param maximumInstances int

@description('Flex Consumption instances kept ready for the page and the API.')
param alwaysReadyHttp int

@description('Days after which ended jobs are removed.')
param retentionDays int

@description('Syncs that may be started with a function key.')
param keySyncs string

@description('The most that one call may bring, in MB.')
param uploadMB int

@description('Lanes of real time.')
param lanes int

@description('More settings of the app, by name.')
param moreSettings object

@description('Resource id of the app\'s identity.')
param appIdentityId string

@description('Client id of the app\'s identity.')
param appClientId string

@description('Resource id of the sources\' identity.')
param sourcesIdentityId string

@description('Client id of the sources\' identity.')
param sourcesClientId string

@description('Name of the host\'s storage account.')
param hostAccountName string

@description('Address of the container with the package.')
param packageContainerUrl string

@description('Address of the state\'s tables.')
param stateTablesUrl string

@description('Address of the state\'s blobs.')
param stateBlobsUrl string

@description('Address of the sources\' blobs.')
param sourcesBlobsUrl string

@description('Host of the Service Bus namespace.')
param busHost string

@description('Address of the vault.')
param vaultUrl string

@description('Connection string of Application Insights; no secret, for local authentication is off there.')
param insightsConnection string

@description('Subnet through which the app reaches the other parts; empty: none.')
param subnetId string

@description('Client id of the app registration that signs people in; empty: sign-in stays off.')
param signInClientId string

@description('Tenant that signs people in.')
param signInTenantId string

var pythonVersion = '3.13'
var flex = hosting == 'flex'

// Working memory of one job's tables: what the instance has, less about 150 MB of the product and what the host takes.
var jobMemory = {
  '512': '96'
  '2048': '768'
  '4096': '2048'
}
var smallest = {
  premium: 'EP1'
  dedicated: 'P0v3'
}
var plans = {
  flex: { name: 'FC1', tier: 'FlexConsumption' }
  premium: { name: empty(planSize) ? smallest.premium : planSize, tier: 'ElasticPremium' }
  dedicated: { name: empty(planSize) ? smallest.dedicated : planSize, tier: 'PremiumV3' }
}

// What the app listens to. The same names stand in local.settings.sample.json and in shared/wiring/settings.py.
// AzureWebJobsStorage__…, DYNSYNC_BUS__…: connections by identity, in the form that the Functions host reads.
// AzureWebJobsDisableHomepage: the app's own page stands at its address, and never the host's.
var settings = {
  AzureWebJobsStorage__accountName: hostAccountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: appClientId
  AzureWebJobsDisableHomepage: 'true'
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${appClientId};Authorization=AAD'
  AZURE_CLIENT_ID: appClientId
  OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: appClientId
  WEBSITE_AUTH_AAD_ALLOWED_TENANTS: signInTenantId
  DYNSYNC_BUS__fullyQualifiedNamespace: busHost
  DYNSYNC_BUS__credential: 'managedidentity'
  DYNSYNC_BUS__clientId: appClientId
  DYNSYNC_KEY_VAULT_URL: vaultUrl
  DYNSYNC_STATE_TABLES: stateTablesUrl
  DYNSYNC_STATE_BLOBS: stateBlobsUrl
  DYNSYNC_STATE_IDENTITY: appClientId
  DYNSYNC_SOURCE_STORAGE: sourcesBlobsUrl
  DYNSYNC_SOURCE_IDENTITY: sourcesClientId
  DYNSYNC_MEMORY_MB: flex ? jobMemory[string(instanceMemoryMB)] : '2048'
  DYNSYNC_DISK_MB: flex ? '600' : '20000'
  DYNSYNC_RETENTION_DAYS: string(retentionDays)
  DYNSYNC_MAX_SLICE_S: '480'
  DYNSYNC_KEY_SYNCS: keySyncs
  DYNSYNC_TENANT_ID: signInTenantId
  DYNSYNC_API_CLIENT_ID: signInClientId
  DYNSYNC_UPLOAD_MB: string(uploadMB)
  DYNSYNC_LANES: string(lanes)
}

// Flex Consumption says the runtime in functionAppConfig and refuses these settings.
var classicSettings = {
  FUNCTIONS_EXTENSION_VERSION: '~4'
  FUNCTIONS_WORKER_RUNTIME: 'python'
}

// Elastic Premium has no disk of its own without a storage key: it runs the package from the container.
var premiumSettings = {
  WEBSITE_RUN_FROM_PACKAGE: '${packageContainerUrl}/app.zip'
  WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID: appIdentityId
}

// A dedicated plan keeps the package that was deployed on its own disk.
var dedicatedSettings = {
  WEBSITE_RUN_FROM_PACKAGE: '1'
}
var planSettings = hosting == 'premium' ? premiumSettings : dedicatedSettings
var allSettings = union(settings, moreSettings, flex ? {} : union(classicSettings, planSettings))

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: hosting == 'premium' ? 'elastic' : 'linux'
  sku: plans[hosting]
  properties: {
    reserved: true
    maximumElasticWorkerCount: hosting == 'premium' ? min(maximumInstances, 100) : null
  }
}

resource flexApp 'Microsoft.Web/sites@2024-04-01' = if (flex) {
  name: appName
  location: location
  tags: union(tags, { 'azd-service-name': 'sync' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${appIdentityId}': {}
      '${sourcesIdentityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      ftpsState: 'Disabled'
      remoteDebuggingEnabled: false
    }
    functionAppConfig: {
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: appIdentityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: max(maximumInstances, 40)
        alwaysReady: alwaysReadyHttp == 0 ? [] : [
          {
            name: 'http'
            instanceCount: alwaysReadyHttp
          }
        ]
      }
    }
  }
}

resource classicApp 'Microsoft.Web/sites@2024-04-01' = if (!flex) {
  name: appName
  location: location
  tags: union(tags, { 'azd-service-name': 'sync' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${appIdentityId}': {}
      '${sourcesIdentityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      linuxFxVersion: 'Python|${pythonVersion}'
      alwaysOn: hosting == 'dedicated'
      healthCheckPath: '/api/health'
      functionAppScaleLimit: hosting == 'premium' ? maximumInstances : null
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      ftpsState: 'Disabled'
      remoteDebuggingEnabled: false
      vnetRouteAllEnabled: !empty(subnetId)
      // The platform cannot look into a private namespace, so the running app tells it how long the queues are.
      functionsRuntimeScaleMonitoringEnabled: hosting == 'premium' && !empty(subnetId)
    }
  }
}

// Everything else of the app, which is the same for both.
module rest 'app-settings.bicep' = {
  name: 'app-settings'
  params: {
    appName: flex ? flexApp.name : classicApp.name
    settings: allSettings
    signInClientId: signInClientId
    signInTenantId: signInTenantId
  }
}

@description('Name of the function app.')
output appName string = appName

@description('Address of the page and the API.')
output appUrl string = 'https://${flex ? flexApp.properties.defaultHostName : classicApp.properties.defaultHostName}'
