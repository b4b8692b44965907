"""Read a home on an object store without pipesim: `python read_from_s3.py s3://bucket/prefix`."""

import os
import sys

import duckdb
import polars as pl
from s3fs import S3FileSystem

files = f"{sys.argv[1]}/lake/observed/task_runs/*.parquet"

# Both find the store and its keys in the environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION.
endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
tasks = pl.scan_parquet(files, storage_options={"aws_allow_http": str(endpoint.startswith("http:")).lower()})
print(tasks.select(pl.len().alias("attempts"), pl.col("gpus").sum()).collect())

with duckdb.connect() as con:
    con.register_filesystem(S3FileSystem())
    print(con.sql(f"SELECT count(*) AS attempts, sum(gpus) AS gpus FROM read_parquet('{files}')"))
