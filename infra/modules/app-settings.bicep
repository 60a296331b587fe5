metadata description = 'Settings and sign-in of the function app, whatever plan it runs on.'

@description('Name of the function app.')
param appName string

@description('Environment variables of the app.')
param settings object

@description('Client id of the app registration that signs people in; empty: sign-in stays off.')
param signInClientId string

@description('Tenant that signs people in.')
param signInTenantId string

resource site 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: site
  name: 'appsettings'
  properties: settings
}

// No user name and password opens the deployment: identity only.
resource noBasicScm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'scm'
  properties: { allow: false }
}

resource noBasicFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'ftp'
  properties: { allow: false }
}

// App Service authentication. Calls without a sign-in pass: the app decides, because a function key, a health check and
// a person are different callers. The app believes the platform's header only while the platform says that this is on.
// The sign-in has no client secret either: the app's identity vouches for it (OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID
// and the federated credential that tools/entra-app adds to the registration).
resource signIn 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: !empty(signInClientId)
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: !empty(signInClientId)
        registration: {
          clientId: signInClientId
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
          openIdIssuer: '${environment().authentication.loginEndpoint}${signInTenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            signInClientId
            'api://${signInClientId}'
          ]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}
