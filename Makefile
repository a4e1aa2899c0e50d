# The commands of the README. The work is done by scripts/, which need bash 3.2 and nothing newer;
# this file is for GNU make 3.81, which is what macOS has.

.DEFAULT_GOAL := help
.PHONY: help run test build bench check sbom schemathesis fuzz prepare
# Each target is one long job that uses all cores itself.
.NOTPARALLEL:

help: ## Shows this
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1	\2/p' Makefile
	@echo
	@echo '  ARGS goes through:  make run ARGS="--data-dir /tmp/try"   make test ARGS="-E '"'"'test(cycle)'"'"'"'

run: ## Finds or installs what is missing, runs the product on http://127.0.0.1:8080
	@exec ./scripts/run $(ARGS)

test: ## Runs every test
	@exec ./scripts/test $(ARGS)

build: ## Makes the release binary, target/release/lunation
	@exec ./scripts/build

bench: ## Measures the release binary: latency and memory, beside bounds of the same run
	@exec ./scripts/bench $(ARGS)

check: ## Formatting, lints, documentation, dependencies, generated files
	@exec ./scripts/check

schemathesis: ## Requests made up from the API document; ARGS=500 for the full run
	@exec ./scripts/schemathesis $(ARGS)

fuzz: ## Runs each fuzz target for two minutes, or those of ARGS
	@exec ./scripts/fuzz $(ARGS)

sbom: ## Writes the bill of materials, target/lunation.cdx.json (CycloneDX)
	@exec ./scripts/sbom

prepare: ## Writes the generated files: .sqlx of each crate with SQL, api/openapi.json
	@exec ./scripts/prepare
