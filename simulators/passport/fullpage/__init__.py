"""Full-page readers behind services that speak HTTP, with pages drawn for each light."""
