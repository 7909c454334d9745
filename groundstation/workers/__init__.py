"""One pool of workers: processes here, or a Dask cluster."""
