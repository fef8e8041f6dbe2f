module coroner.dev/examples/retry-controller

go 1.22
