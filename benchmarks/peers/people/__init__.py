"""The Django app that django-scim2 is given: users and groups with its mixins."""
