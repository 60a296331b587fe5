"""The HTTP API of the app: `application.Application` turns a `call.Request` into a `call.Answer`.

To add a route, add one `Route(...)` to the list of its subject in `routes/` (a new subject: one module, and its list in
`routes/__init__.py`). It names the operation, and the operation's line in `shared/permissions.py` says which right it
needs; the gate asks for it before the route does anything. The OpenAPI document is made from the same line, so is the
check of query and body, and tests/unit/web try every route with every kind of caller.
"""
