# SPDX-License-Identifier: Apache-2.0
"""What the integration tests, the bench and the quickstart stand on: a real OpenBao, a real provider, a KMS v2 client.

Each module is one noun. Nothing here knows how the provider works inside; it is known by its binary alone.
"""
