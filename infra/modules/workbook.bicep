metadata description = 'A workbook: jobs, rejects, waits, change messages at a glance.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name that people see.')
param displayName string

@description('Workspace with the app\'s logs.')
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'dynamics-sync')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    sourceId: workspaceId
    serializedData: loadTextContent('../workbook.json')
  }
}
