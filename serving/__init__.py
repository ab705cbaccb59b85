"""What hosts with a web server offer over HTTP, without any web framework: routes, jobs, schemas, path rules."""
