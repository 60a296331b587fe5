"""What `azd up` and the pipelines run beside Bicep: the package, the registration in Entra, the look at the end."""
