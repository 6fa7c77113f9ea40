"""Users and groups as django-scim2's documentation has them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django_scim.models import AbstractSCIMGroupMixin, AbstractSCIMUserMixin


class Team(AbstractSCIMGroupMixin):
    name = models.CharField(max_length=80, unique=True)


class Person(AbstractSCIMUserMixin, AbstractUser):
    teams = models.ManyToManyField(Team, related_name="user_set")

    @property
    def scim_groups(self) -> Any:
        return self.teams
