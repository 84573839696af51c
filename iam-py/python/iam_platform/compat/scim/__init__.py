"""The samples' SCIM application."""
