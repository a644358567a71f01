"""HubSpot's Python client against the sandbox: OAuth, schema, upsert, batch read, associations, signature."""

import os

from hubspot import HubSpot
from hubspot.crm.associations.v4 import (
    BatchInputPublicAssociationMultiPost,
    BatchInputPublicFetchAssociationsBatchRequest,
    PublicAssociationMultiPost,
    PublicFetchAssociationsBatchRequest,
)
from hubspot.crm.contacts import (
    BatchReadInputSimplePublicObjectId,
    SimplePublicObjectId,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.objects import (
    BatchInputSimplePublicObjectBatchInputUpsert,
    SimplePublicObjectBatchInputUpsert,
)
from hubspot.crm.schemas import ObjectSchemaEgg, ObjectTypeDefinitionLabels, ObjectTypePropertyCreate
from hubspot.utils.signature import Signature

env = os.environ
url = env["SANDBOX_URL"]
client = {"client_id": env["CLIENT_ID"], "client_secret": env["CLIENT_SECRET"]}

# OAuth: exchange, then refresh.
anonymous = HubSpot(host=url, base_url=url)
tokens = anonymous.oauth.tokens_api.create(
    grant_type="authorization_code", code=env["CODE"], redirect_uri=env["REDIRECT_URI"], **client
)
tokens = anonymous.oauth.tokens_api.create(grant_type="refresh_token", refresh_token=tokens.refresh_token, **client)
assert tokens.expires_in == 1800, tokens
hubspot = HubSpot(access_token=tokens.access_token, host=url, base_url=url)
info = hubspot.oauth.access_tokens_api.get(tokens.access_token)
assert info.hub_id == int(env["HUB_ID"]), info

# A definition.
schema = hubspot.crm.schemas.core_api.create(
    ObjectSchemaEgg(
        name="client_gift",
        labels=ObjectTypeDefinitionLabels(singular="Gift", plural="Gifts"),
        primary_display_property="gift_name",
        required_properties=["gift_key"],
        searchable_properties=[],
        secondary_display_properties=[],
        properties=[
            ObjectTypePropertyCreate(
                name="gift_key", label="Key", type="string", field_type="text", has_unique_value=True
            ),
            ObjectTypePropertyCreate(name="gift_name", label="Name", type="string", field_type="text"),
        ],
        associated_objects=["CONTACT"],
    )
)
assert schema.fully_qualified_name == f"p{env['HUB_ID']}_client_gift", schema.fully_qualified_name

# Batch upsert: two records, one of them twice over two calls.
def upsert(*keys):
    return hubspot.crm.objects.batch_api.upsert(
        schema.object_type_id,
        BatchInputSimplePublicObjectBatchInputUpsert(
            inputs=[
                SimplePublicObjectBatchInputUpsert(
                    id=key, id_property="gift_key", properties={"gift_key": key, "gift_name": f"Gift {key}"},
                    object_write_trace_id=f"trace-{key}",
                )
                for key in keys
            ]
        ),
    )

first = upsert("a", "b")
assert {row.new for row in first.results} == {True}, first
again = upsert("b")
assert again.results[0].new is False, again
gift = next(row.id for row in first.results if row.properties["gift_key"] == "a")

# Batch read by an additional e-mail answers with the primary one.
contact = hubspot.crm.contacts.basic_api.create(
    SimplePublicObjectInputForCreate(
        properties={"email": "Main@Python.example", "hs_additional_emails": "other@python.example"}, associations=[]
    )
)
found = hubspot.crm.contacts.batch_api.read(
    BatchReadInputSimplePublicObjectId(
        id_property="email",
        inputs=[SimplePublicObjectId(id="other@python.example"), SimplePublicObjectId(id="nobody@python.example")],
        properties=["email", "hs_additional_emails"],
        properties_with_history=[],
    )
)
assert [row.id for row in found.results] == [contact.id], found
assert found.results[0].properties["email"] == "main@python.example", found
assert found.num_errors == 1, found

# Associations: create by the definition's own type, then read.
kind = next(a for a in schema.associations if a.from_object_type_id == schema.object_type_id)
hubspot.crm.associations.v4.batch_api.create(
    schema.object_type_id,
    "contacts",
    BatchInputPublicAssociationMultiPost(
        inputs=[
            PublicAssociationMultiPost(
                _from={"id": gift}, to={"id": contact.id},
                types=[{"associationCategory": "USER_DEFINED", "associationTypeId": int(kind.id)}],
            )
        ]
    ),
)
read = hubspot.crm.associations.v4.batch_api.get_page(
    "contacts",
    schema.object_type_id,
    BatchInputPublicFetchAssociationsBatchRequest(inputs=[PublicFetchAssociationsBatchRequest(id=contact.id)]),
)
assert str(read.results[0].to[0].to_object_id) == gift, read

# A dated path by the client's free-form call.
details = hubspot.api_request({"method": "GET", "path": "/account-info/2026-09/details"})
assert details.json()["portalId"] == int(env["HUB_ID"]), details.text

# The client's own check takes the sandbox's signature, and no other.
def valid(body):
    return Signature.is_valid(
        signature=env["WEBHOOK_SIGNATURE"], client_secret=env["CLIENT_SECRET"], request_body=body,
        http_uri=env["WEBHOOK_URL"], http_method="POST", signature_version="v3", timestamp=env["WEBHOOK_TIMESTAMP"],
    )

assert valid(env["WEBHOOK_BODY"])
assert not valid(env["WEBHOOK_BODY"] + " ")
print("python client: ok")
