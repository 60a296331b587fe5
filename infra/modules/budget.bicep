metadata description = 'A monthly budget for the resource group: it writes, it stops nothing.'

@description('Name of the budget.')
param budgetName string

@description('Money of a month, in the currency of the subscription.')
param amount int

@description('First day of the first month.')
param startDate string

@description('Action group that is told; empty: none.')
param actionGroupId string

@description('Mail address that is told; empty: owners of the resource group only.')
param contactEmail string

var groups = empty(actionGroupId) ? [] : [actionGroupId]
var mails = empty(contactEmail) ? [] : [contactEmail]

resource budget 'Microsoft.Consumption/budgets@2023-11-01' = {
  name: budgetName
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: startDate }
    notifications: {
      spent80: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: mails
        contactGroups: groups
        contactRoles: ['Owner']
      }
      expected100: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: mails
        contactGroups: groups
        contactRoles: ['Owner']
      }
    }
  }
}
