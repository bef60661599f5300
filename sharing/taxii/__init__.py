"""TAXII 2.1 without HTTP: what the views read from a request and what they write into a response.

Pure: no clock, no settings, no I/O. Instants are integer microseconds. Everything here raises a `TaxiiError`
that names the trouble, and nothing else, whatever a client sends.

errors
    `TaxiiError` and a subclass per status: BadRequest, Unauthorized, Forbidden, NotFound,
    MethodNotAllowed(allow=), NotAcceptable, Conflict, TooLarge, UnsupportedMediaType, Unprocessable,
    TooManyRequests(retry_after=), InternalError, Unavailable(retry_after=). Each takes (description, *,
    title, error_code, details, external_details) and has `http_status` and `headers` (WWW-Authenticate,
    Allow, Retry-After). `resource(error, error_id) -> bytes` is the error message.

media_types
    `MEDIA_TYPE`, `STIX_MEDIA_TYPE`; `check_accept(header | None)`, `check_content_type(header | None)`.

filters
    `split_query(raw_query_string) -> pairs`; `parse(pairs, allowed=OBJECTS | MANIFEST | OBJECT | VERSIONS) ->
    Filters`; `parse_delete(pairs) -> Filters` whose `versions` is `("all",)` when nothing was said.
    `Filters(added_after, limit, next, ids, types, versions, spec_versions)` with `.page_size` and
    `.version_default` (only the latest version of each object is wanted). `DEFAULT_LIMIT`, `MAX_LIMIT`.

cursor
    `resume(filters, key, kind=, collection=) -> (filters to use, index to begin after | None)` reads `next`;
    `encode(kind, collection, last_index, filters, key) -> str` writes it; kinds: objects, manifest, object,
    versions. For object and versions put the object's id in `filters.ids` before both, with
    `dataclasses.replace`. Underneath: `decode(text, key) -> Cursor`, `combine(cursor, filters) -> Filters`.

headers
    `date_added_headers(first | None, last | None, echo=filters.added_after) -> dict`.

resources
    `discovery`, `api_root`, `collection(Collection)`, `collections([…])`, `status(… StatusDetail …)`,
    `manifest([ManifestRecord …], more=, next=)`, `versions([text …], more=, next=)`,
    `envelope(joined, more=, next=, extra=)`, all to bytes.

A view, in order: authenticate; `check_accept`; `split_query` and `parse`; `resume`; one query; `encode` if
there is more; builder; headers.
"""
