metadata description = 'A virtual network with private endpoints for storage, vault and Service Bus, and the DNS zones that lead to them.'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Start of every name.')
param namePrefix string

@description('Name of the environment.')
param environmentName string

@description('Address range of the virtual network.')
param addressPrefix string

@description('Address range of the app\'s subnet, within it.')
param appPrefix string

@description('Address range of the endpoints\' subnet, within it.')
param endpointsPrefix string

@description('What the app\'s subnet is handed to: Microsoft.App/environments (Flex) or Microsoft.Web/serverFarms.')
param delegation string

@description('What gets a private endpoint: name, part (blob, queue, table, vault, namespace) and resource id of each.')
param targets array

var zones = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  vault: 'privatelink.vaultcore.azure.net'
  namespace: 'privatelink.servicebus.windows.net'
}
var parts = ['blob', 'queue', 'table', 'vault', 'namespace']

resource guard 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: 'nsg-${namePrefix}-${environmentName}'
  location: location
  tags: tags
  properties: {
    // The platform's own rules let the network talk to itself and keep the internet out; this one keeps callers from
    // the internet out also where another rule is added by mistake below its number.
    securityRules: [
      {
        name: 'no-internet-in'
        properties: {
          access: 'Deny'
          direction: 'Inbound'
          priority: 4000
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${namePrefix}-${environmentName}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appPrefix
          networkSecurityGroup: { id: guard.id }
          delegations: [
            {
              name: 'app'
              properties: { serviceName: delegation }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointsPrefix
          networkSecurityGroup: { id: guard.id }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [for part in parts: {
  name: zones[part]
  location: 'global'
  tags: tags
}]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for number in range(0, length(parts)): {
  parent: zone[number]
  name: 'vnet'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = [for target in targets: {
  name: 'pe-${target.name}-${environmentName}'
  location: location
  tags: tags
  properties: {
    subnet: { id: '${network.id}/subnets/endpoints' }
    privateLinkServiceConnections: [
      {
        name: target.name
        properties: {
          privateLinkServiceId: target.id
          groupIds: [target.part]
        }
      }
    ]
  }
}]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for number in range(0, length(targets)): {
  parent: endpoint[number]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: targets[number].part
        properties: {
          privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zones[targets[number].part])
        }
      }
    ]
  }
  dependsOn: [
    zone
  ]
}]

@description('Subnet through which the app reaches the endpoints.')
output appSubnetId string = '${network.id}/subnets/app'
