"""Signs requests as HubSpot's Python client does: a JSON line {secret, method, url, body, timestamp} in, its v3 signature out."""

import json
import sys

from hubspot.utils.signature import Signature

for line in sys.stdin.buffer:
    request = json.loads(line)
    print(
        Signature.get_signature(
            client_secret=request["secret"], request_body=request["body"], signature_version="v3",
            http_uri=request["url"], http_method=request["method"], timestamp=request["timestamp"],
        )
    )
