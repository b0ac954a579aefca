"""Every code of a refusal: its HTTP status and when it is answered. Codes are stable; docs/server.md lists them.

Codes of gsjbu's own errors that are not listed answer 422.
"""

from __future__ import annotations

CODES: dict[str, tuple[int, str]] = {
    # the request
    "request_invalid": (422, "A field is missing, unknown or out of bounds."),
    "json_invalid": (400, "The body, or the field `settings`, is no JSON, or says a name twice."),
    "multipart_invalid": (422, "The form is malformed."),
    "content_type": (415, "The body is no form where one is needed."),
    "encoding_unsupported": (415, "The body is compressed."),
    "file_missing": (422, "A form without its file."),
    "file_unexpected": (422, "A file in a field that takes none."),
    "too_many_files": (413, "More files than `form_files`."),
    "too_many_fields": (413, "More fields than `form_fields`."),
    "field_too_large": (413, "A field larger than `field_bytes`."),
    "headers_too_large": (431, "More headers than `header_count`, or larger than `header_bytes`."),
    "body_too_large": (413, "A JSON body larger than `json_bytes`."),
    "upload_too_large": (413, "A file over `image_bytes` or `signal_bytes`, or a form over `client_upload_bytes`."),
    "upload_timeout": (408, "The body paused for `idle_seconds` or took `upload_seconds`."),
    "upload_incomplete": (400, "The body ended before its length."),
    "uploads_busy": (429, "Uploads under way hold their share of memory already."),
    "host_not_allowed": (403, "A host name that was not given with `--allowed-host`."),
    "origin_not_allowed": (403, "A request from a page of another site."),
    "method_not_allowed": (405, "The address knows other methods; `Allow` lists them."),
    # what was sent
    "image_empty": (422, "An empty file."),
    "image_type": (415, "Neither JPEG, PNG, WebP nor AVIF."),
    "image_corrupt": (422, "A damaged picture."),
    "image_too_large": (413, "More pixels than `image_pixels`, or too large to decode in the memory there is."),
    "signal_type": (415, "A kind of file that no signal comes in."),
    "signal_too_large": (413, "More values than `signal_values`, or too large to read in the memory there is."),
    "decode_timeout": (422, "Decoding took `decode_seconds`."),
    # jobs and results
    "client_busy": (429, "The client has `client_jobs` jobs and downloads under way."),
    "address_busy": (429, "The address has `address_jobs` jobs and downloads under way."),
    "queue_full": (429, "`queue_jobs` jobs wait; also of a job that gave its place to another address's."),
    "memory_limit": (
        413,
        "The run needs more than `job_bytes`, or it or a look at its result more than there is; says what to lower.",
    ),
    "out_of_memory": (413, "Memory ran out while the job ran."),
    "download_too_large": (413, "The zip, or the point cloud, would be larger than `download_bytes`."),
    "timeout": (422, "The job ran for `job_seconds`."),
    "cancelled": (409, "The job was cancelled."),
    "client_gone": (409, "Nobody asked for the job any more."),
    "not_done": (409, "The job has no result yet."),
    "job_failed": (409, "The job has no result, and will have none."),
    "not_available": (404, "The run made nothing of this kind."),
    "features_differ": (422, "A pixel's features are of another kind than the result's: of another backbone or stage."),
    "pixel_outside": (404, "The pixel lies outside the image."),
    "panel_unknown": (404, "The run has no such panel."),
    "sample_unknown": (404, "There is no such built-in scene."),
    "not_found": (404, "There is nothing under this address or id."),
    "expired": (404, "It was kept for a while and is gone; send it again, or run again."),
    # the server
    "worker_lost": (503, "The job's own process has ended; only jobs above `isolate_bytes` have one."),
    "helper_lost": (503, "Files cannot be decoded at this moment: two helper processes in a row were lost."),
    "files_exhausted": (503, "The server has as many files and connections open as it may."),
    "server_stopping": (503, "The server is shutting down."),
    "storage_full": (507, "A file could not be written: the disk is full or read-only."),
    "internal": (500, "A fault of the server; its log says which."),
}
STATUS: dict[str, int] = {code: status for code, (status, _) in CODES.items()}
