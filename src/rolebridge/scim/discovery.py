"""What the service says about itself: `/Schemas`, `/ResourceTypes`, `/ServiceProviderConfig` (RFC 7644 §4), as bytes.

Rendered by scim2-models from the same schemas that drive the reading of requests, once for each base URL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from scim2_models import (
    URI,
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    Context,
    ETag,
    External,
    Filter,
    Pagination,
    Patch,
    Reference,
    ResourceType,
    SchemaExtension,
    ServiceProviderConfig,
    Sort,
)

from rolebridge.scim import schemas
from rolebridge.scim.answers import list_response
from rolebridge.scim.limits import CURSOR_TIMEOUT, DEFAULT_PAGE, MAX_BULK_BODY, MAX_BULK_OPERATIONS, MAX_PAGE
from rolebridge.scim.profile import Feature
from rolebridge.scim.schemas import ResourceSchema, SchemaSet


@dataclass(frozen=True, slots=True)
class Discovery:
    """The discovery answers for one base URL, by path (`/Schemas`, `/Schemas/urn:…`, `/ResourceTypes/User`, …)."""

    answers: Mapping[str, bytes]

    def answer(self, path: str) -> bytes | None:
        """Return the answer at a path; a schema's URN is found in any case."""
        endpoint, slash, id_ = path.lstrip("/").partition("/")
        return self.answers.get(f"/{endpoint}/{id_.lower()}" if slash else f"/{endpoint}")


@lru_cache(maxsize=64)
def discovery(
    base_url: str, unannounced: frozenset[Feature] = frozenset(), known: SchemaSet | None = None
) -> Discovery:
    """Return the discovery answers whose locations begin with `base_url` (no slash at its end).

    `known` are the schemas of an organization, or those that all have.
    What is `unannounced` is not there, or said to be not supported where RFC 7643 §5 requires that it be there.
    """
    known = known or schemas.standard()
    config = _located(_config(), base_url, "/ServiceProviderConfig")
    if Feature.PAGINATION in unannounced:
        del config["pagination"]
    if Feature.ETAG in unannounced:
        config["etag"] = {"supported": False}
    answers = {"/ServiceProviderConfig": _bytes(config)}
    described = [(str(schema.id), schema) for schema in known.published]
    kinds = [(resource.name, _resource_type(resource)) for resource in (known.user, known.group)]
    for endpoint, resources in (("/Schemas", described), ("/ResourceTypes", kinds)):
        texts = []
        for id_, resource in resources:
            text = _bytes(_located(resource, base_url, f"{endpoint}/{id_}"))
            answers[f"{endpoint}/{id_.lower()}"] = text
            texts.append(text.decode())
        answers[endpoint] = list_response(len(texts), 1, texts)
    return Discovery(MappingProxyType(answers))


def _located(resource: Any, base_url: str, path: str) -> dict[str, Any]:
    document: dict[str, Any] = resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    document["meta"] = {"resourceType": type(resource).__name__, "location": f"{base_url}{path}"}
    return document


def _bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _resource_type(resource: ResourceSchema) -> ResourceType:
    return ResourceType(
        id=resource.name,
        name=resource.name,
        description=f"{resource.name} resources of one connection",
        endpoint=Reference[URI](resource.endpoint),
        schema=Reference[URI](resource.urn),
        schema_extensions=[
            SchemaExtension(schema=Reference[URI](extension.urn), required=extension.required)
            for extension in resource.extensions.values()
        ],
    )


def _config() -> ServiceProviderConfig:
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=True, max_operations=MAX_BULK_OPERATIONS, max_payload_size=MAX_BULK_BODY),
        filter=Filter(supported=True, max_results=MAX_PAGE),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        pagination=Pagination(
            cursor=True,
            index=True,
            default_pagination_method=Pagination.DefaultPaginationMethod.index,
            default_page_size=DEFAULT_PAGE,
            max_page_size=MAX_PAGE,
            cursor_timeout=CURSOR_TIMEOUT,
        ),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="OAuth Bearer Token",
                description="The token of a connection in the Authorization header",
                spec_uri=Reference[External]("https://www.rfc-editor.org/info/rfc6750"),
                primary=True,
            )
        ],
    )
