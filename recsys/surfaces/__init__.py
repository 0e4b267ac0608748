"""Places of the shop, one file each: the folder is the registry."""
