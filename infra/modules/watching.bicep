metadata description = 'Logs: a Log Analytics workspace and Application Insights on top of it.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Start of every name.')
param namePrefix string

@description('Name of the environment.')
param environmentName string

@description('Days that logs are kept.')
param logRetentionDays int

@description('The most log data taken in a day, in GB; -1: no limit.')
param logDailyCapGB int

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-${namePrefix}-${environmentName}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: logRetentionDays
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
    workspaceCapping: { dailyQuotaGb: logDailyCapGB }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${namePrefix}-${environmentName}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
    IngestionMode: 'LogAnalytics'
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id

@description('Name of the Application Insights resource.')
output insightsName string = insights.name

// The address that logs are sent to. With local authentication off, nobody can send with it alone: it is no secret.
@description('Connection string of Application Insights.')
output insightsConnection string = insights.properties.ConnectionString
