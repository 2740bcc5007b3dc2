"""Sends one call of every kind with an unmodified segment-analytics-python; exits 1 when the SDK reports an error.

    SEGMENT_HOST=http://127.0.0.1:8080/cdp python drive.py

The SDK keeps the path of its `host` setting and appends `/v1/batch`.
"""

import os
import sys

from segment.analytics.client import Client

user_id = os.environ.get("USER_ID", "customer-1001")
anonymous_id = os.environ.get("ANONYMOUS_ID", "7b0f6d5e-52a8-4c38-9a57-2f0f1f6f8f10")
problems = []


def main():
    client = Client(
        os.environ.get("WRITE_KEY", "python-write-key"),
        host=os.environ.get("SEGMENT_HOST", "http://127.0.0.1:8080/cdp"),
        gzip=os.environ.get("GZIP") == "1",
        on_error=lambda error, items: problems.append(error),
        max_retries=0,
        upload_interval=0.2,
    )
    client.identify(user_id, {"email": "ada@example.com", "plan": "gold"}, anonymous_id=anonymous_id)
    # No anonymousId: only the userId can lead to the click.
    client.track(
        user_id,
        "Order Completed",
        {
            "order_id": os.environ.get("ORDER_ID", "python-order-1"),
            "revenue": 42.5,
            "currency": "EUR",
            "products": [
                {"sku": "SCARF-01", "name": "Scarf", "price": 30.0, "quantity": 1},
                {"sku": "THREAD-9", "name": "Thread", "price": 12.5, "quantity": 1},
            ],
        },
    )
    client.page(user_id, "Shop", "Thanks", {"url": "https://shop.example/thanks"}, anonymous_id=anonymous_id)
    client.group(user_id, "weavers", {"name": "Weavers"}, anonymous_id=anonymous_id)
    client.alias(user_id, user_id + "-new")
    client.screen(user_id, "Shop", "Receipt", {"tab": "orders"}, anonymous_id=anonymous_id)
    client.flush()
    client.join()
    for problem in problems:
        print("the SDK reports:", problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
