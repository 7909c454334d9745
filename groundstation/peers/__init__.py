"""The classical ways to send the same patch, for comparison (docs/peers.md)."""

from __future__ import annotations

from groundstation.peers.registry import PEERS, Peer, PeerResult, measure_peer, measure_peers

__all__ = ["PEERS", "Peer", "PeerResult", "measure_peer", "measure_peers"]
