"""`download`: manifest shards become image shards in img2dataset's own layout.

A shard ``00007`` is four files, the last one written last:

- ``00007.tar``: for each image that came, in the order of the keys, ``<key>.jpg``, ``<key>.txt``
  (the first caption) and ``<key>.json`` (the row of the table);
- ``00007.parquet``: a row for *every* URL, in the order of the keys. img2dataset's columns
  ``url, caption, key, status, error_message, width, height, original_width, original_height,
  sha256`` (of the bytes as they were sent), and ours: ``captions`` (all of them), ``source``,
  ``reason`` and ``bytes`` (length as sent; null where nothing came). ``status`` is img2dataset's
  ``success``, ``failed_to_download`` or ``failed_to_resize``; ``reason`` is ``success`` or a word
  of ``pipeline.reasons.REASONS``; ``error_message`` is the reason and its detail (null on success);
- ``bad/00007.jsonl``: the failures as every job writes them (``key, stage, reason, detail``);
- ``00007_stats.json``: our fields (``rows_in``, ``rows``: successes, ``bad``: failures by reason,
  ``files``, ``inputs``, ``counts``: ``bytes`` of the images as sent) and beside them img2dataset's
  (``count, successes, failed_to_download, failed_to_resize, duration, start_time, end_time`` in
  seconds, ``status_dict``: rows by reason, ``success`` among them).

Only ``duration``, ``start_time`` and ``end_time`` differ between two runs that fetch the same.
"""

from __future__ import annotations
