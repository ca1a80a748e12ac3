"""Full-page readers behind HTTP services, with pages drawn for each light."""
