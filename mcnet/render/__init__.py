"""Manifests from templates: values in, a sorted list of Kubernetes objects out. Applies nothing."""
