// Modules of which only the CustomResourceDefinitions are used (fetch).
module kt.local/crds

go 1.25.0

require (
	istio.io/api v1.28.2
	sigs.k8s.io/gateway-api v1.4.1
)
