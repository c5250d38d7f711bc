"""What every page stands in: server, access, the open study, the request queue, the device."""
