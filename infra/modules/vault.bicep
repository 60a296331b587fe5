metadata description = 'Key Vault: every secret that a sync names. Rights by role, nothing can be purged before its time.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the vault, unique in the world, at most 24 characters.')
@maxLength(24)
param vaultName string

@description('Days that a deleted secret can be brought back.')
param softDeleteDays int

@description('Whether only private endpoints lead there.')
param privateOnly bool

@description('Workspace that keeps the record of who read what.')
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: vaultName
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: softDeleteDays
    enablePurgeProtection: true
    publicNetworkAccess: privateOnly ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateOnly ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'AuditEvent', enabled: true }
    ]
  }
}

@description('Name of the vault.')
output vaultName string = vault.name

@description('Resource id of the vault.')
output vaultId string = vault.id

@description('Address of the vault, without a slash at its end.')
output vaultUrl string = 'https://${vault.name}${environment().suffixes.keyvaultDns}'
