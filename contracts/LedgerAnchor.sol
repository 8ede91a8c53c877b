// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// The newest head of each log, as its operator anchored it: an append-only log only grows.
///
/// A log is named by who sends and by the SHA-256 of its origin, so nobody can stand in another's way.
/// Nothing here can be upgraded, paused or owned. Whether a head continues the one before it is for
/// verifiers to check, off the chain.
contract LedgerAnchor {
    /// `time` is the block's, in the unit of the chain: seconds on Ethereum, milliseconds on some FISCO BCOS.
    struct Head {
        uint64 size;
        uint64 time;
        bytes32 root;
    }

    event Anchored(address indexed sender, bytes32 indexed origin, uint64 size, bytes32 root);

    /// A head must be larger than the one before it.
    error NotForward(uint64 anchored, uint64 size);

    mapping(address => mapping(bytes32 => Head)) private heads;

    /// Fix the head of the sender's log: `size` entries with the Merkle tree root `root`.
    function anchor(bytes32 origin, uint64 size, bytes32 root) external {
        Head storage last = heads[msg.sender][origin];
        if (size <= last.size) revert NotForward(last.size, size);
        last.size = size;
        last.time = uint64(block.timestamp);
        last.root = root;
        emit Anchored(msg.sender, origin, size, root);
    }

    /// The newest head of a log; of size zero when it was never anchored.
    function head(address sender, bytes32 origin) external view returns (uint64 size, uint64 time, bytes32 root) {
        Head storage last = heads[sender][origin];
        return (last.size, last.time, last.root);
    }
}
