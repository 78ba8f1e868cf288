"""``/admin``: the pages of whoever runs the service.  What they change is changed by the metering package alone."""
