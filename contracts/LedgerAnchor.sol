// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A witness of append-only logs: it keeps the newest head of each, and takes only one that extends it.
///
/// A log is named by its founder, the address that anchored it first, and by the SHA-256 of its origin, so
/// nobody can stand in another's way. Its owner, at first the founder, anchors heads; the same key signs the
/// checkpoints that the log publishes. Two of them with one size and two roots mark the log for ever, whoever
/// brings them. Nothing here can be upgraded, paused, paid or taken back.
///
/// Trees are RFC 6962's over SHA-256: chains of the guomi family replace keccak256, which only names slots here.
contract LedgerAnchor {
    /// The first slot of a log. `time` and `number` are the block's of the newest head; time is in the unit of
    /// the chain: seconds on Ethereum, milliseconds on some FISCO BCOS. Nothing here compares it.
    struct Head {
        uint64 size;
        uint64 time;
        uint64 number;
        bool rotated;
        bool equivocated;
    }

    /// `owner` holds once it was rotated. `retired` says up to which size an earlier owner's signatures count.
    struct Log {
        Head head;
        bytes32 root;
        address owner;
        mapping(address => uint64) retired;
    }

    event Anchored(address indexed founder, bytes32 indexed origin, uint64 size, bytes32 root);
    event Rotated(address indexed founder, bytes32 indexed origin, address from, address to, uint64 size);
    event Equivocated(
        address indexed founder, bytes32 indexed origin, uint64 size, bytes32 rootA, bytes32 rootB, address signer
    );

    /// Only the owner of a log does this.
    error NotOwner(address owner);
    /// The log was marked: it holds two roots of one size.
    error Marked();
    /// A head must be larger than the one before it.
    error NotForward(uint64 anchored, uint64 size);
    /// The head does not extend the anchored one, or the proof does not show that it does.
    error Forked(uint64 anchored, uint64 size);
    /// There is no such log: nobody anchored it.
    error NotFounded();
    /// No key has the address zero.
    error NoKey();
    /// Two equal roots, or those of the empty log, contradict nothing.
    error NoContradiction();
    /// The signature is malformed, or of no key that counts for this log at this size.
    error NotSigned(address signer);

    /// "dataspace/ledger-anchor/v1" and six zero bytes: what else a key signs is never read as a head.
    bytes32 private constant DOMAIN = "dataspace/ledger-anchor/v1";
    /// Half the order of secp256k1 (SEC 2, section 2.4.1): of the two signatures (r, s) and (r, -s), one counts.
    uint256 private constant HALF = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    mapping(address => mapping(bytes32 => Log)) private logs;

    /// Fix a head: `size` entries under the Merkle tree root `root`, which `proof` leads to from the head before
    /// it (RFC 6962, section 2.1.2). The first head of a log takes the empty proof, from its founder.
    function anchor(address founder, bytes32 origin, uint64 size, bytes32 root, bytes32[] calldata proof) external {
        Log storage log = logs[founder][origin];
        Head memory head_ = log.head;
        _demand(log, head_, founder);
        bytes32 last = log.root;
        if (size <= head_.size) {
            if (size == head_.size && root != last && size != 0) revert Forked(size, size);
            revert NotForward(head_.size, size);
        }
        bool extends = head_.size == 0 ? proof.length == 0 : _extends(head_.size, size, last, root, proof);
        if (!extends) revert Forked(head_.size, size);
        log.head = Head(size, uint64(block.timestamp), uint64(block.number), head_.rotated, false);
        log.root = root;
        emit Anchored(founder, origin, size, root);
    }

    /// Give the log to another key. What the one before it signed counts up to the head anchored by now.
    function rotate(address founder, bytes32 origin, address to) external {
        Log storage log = logs[founder][origin];
        Head memory head_ = log.head;
        _demand(log, head_, founder);
        if (head_.size == 0) revert NotFounded();
        if (to == address(0)) revert NoKey();
        log.retired[msg.sender] = head_.size;
        log.head.rotated = true;
        log.owner = to;
        emit Rotated(founder, origin, msg.sender, to, head_.size);
    }

    /// Mark a log that has two roots of one size, each signed by a key that owned it: 65 bytes r, s, v over
    /// SHA-256(DOMAIN, origin, size as 8 bytes, root). Anybody may; the two published checkpoints are enough.
    function equivocate(
        address founder,
        bytes32 origin,
        uint64 size,
        bytes32 rootA,
        bytes calldata signatureA,
        bytes32 rootB,
        bytes calldata signatureB
    ) external {
        Log storage log = logs[founder][origin];
        Head memory head_ = log.head;
        if (head_.size == 0) revert NotFounded();
        if (head_.equivocated) revert Marked();
        if (rootA == rootB || size == 0) revert NoContradiction();
        address signer = _signer(origin, size, rootA, signatureA);
        if (!_counts(log, head_, founder, signer, size)) revert NotSigned(signer);
        address other = _signer(origin, size, rootB, signatureB);
        if (!_counts(log, head_, founder, other, size)) revert NotSigned(other);
        log.head.equivocated = true;
        emit Equivocated(founder, origin, size, rootA, rootB, signer);
    }

    /// The newest head of a log, of size zero when it was never anchored; who owns it, and whether it is marked.
    function head(address founder, bytes32 origin)
        external
        view
        returns (uint64 size, uint64 time, uint64 number, bytes32 root, address owner, bool marked)
    {
        Log storage log = logs[founder][origin];
        Head memory head_ = log.head;
        owner = head_.rotated ? log.owner : founder;
        return (head_.size, head_.time, head_.number, log.root, owner, head_.equivocated);
    }

    /// Whether the log was marked for ever.
    function equivocated(address founder, bytes32 origin) external view returns (bool) {
        return logs[founder][origin].head.equivocated;
    }

    /// Up to which size the signatures of an earlier owner count; zero when `key` was none.
    function retired(address founder, bytes32 origin, address key) external view returns (uint64) {
        return logs[founder][origin].retired[key];
    }

    function _demand(Log storage log, Head memory head_, address founder) private view {
        if (head_.equivocated) revert Marked();
        address owner = head_.rotated ? log.owner : founder;
        if (msg.sender != owner) revert NotOwner(owner);
    }

    function _counts(Log storage log, Head memory head_, address founder, address signer, uint64 size)
        private
        view
        returns (bool)
    {
        return signer == (head_.rotated ? log.owner : founder) || size <= log.retired[signer];
    }

    function _signer(bytes32 origin, uint64 size, bytes32 root, bytes calldata signature)
        private
        pure
        returns (address signer)
    {
        if (signature.length != 65) revert NotSigned(address(0));
        bytes32 digest = sha256(abi.encodePacked(DOMAIN, origin, size, root));
        uint256 s = uint256(bytes32(signature[32:64]));
        if (s > HALF) revert NotSigned(address(0));
        signer = ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(s));
        if (signer == address(0)) revert NotSigned(signer);
    }

    /// Whether the tree of `n` leaves under `root` begins with the one of `m` under `last`, 0 < m < n: the
    /// verification of RFC 9162, section 2.1.4.2. Both ends are rebuilt, and the proof is used up exactly.
    function _extends(uint256 m, uint256 n, bytes32 last, bytes32 root, bytes32[] calldata proof)
        private
        view
        returns (bool good)
    {
        assembly {
            let next := proof.offset
            let end := add(next, shl(5, proof.length))
            // Where the old tree's last complete subtree stands, and the new tree's last leaf at that height.
            let fn := and(m, sub(0, m))
            let sn := div(sub(n, 1), fn)
            fn := div(sub(m, 1), fn)
            let old := last
            good := 1
            // A complete old tree is its own first node; else the proof begins with it.
            if and(m, sub(m, 1)) {
                good := lt(next, end)
                old := calldataload(next)
                next := add(next, 0x20)
            }
            let new := old
            // What is hashed stands in the scratch space: 0x01, left at 0x01, right at 0x21. The last byte is the
            // first of the pointer to free memory, which is zero and made so again.
            mstore8(0, 1)
            for {} lt(next, end) { next := add(next, 0x20) } {
                // A hash above the root.
                if iszero(sn) { good := 0 }
                switch or(and(fn, 1), eq(fn, sn))
                case 0 {
                    mstore(0x01, new)
                    calldatacopy(0x21, next, 0x20)
                }
                default {
                    calldatacopy(0x01, next, 0x20)
                    mstore(0x21, old)
                    // Precompile 2 is SHA-256. A chain without it answers with nothing.
                    if iszero(and(eq(returndatasize(), 0x20), staticcall(gas(), 2, 0, 65, 0x21, 0x20))) { good := 0 }
                    old := mload(0x21)
                    mstore(0x21, new)
                    // On the right edge, a node without a sibling is promoted.
                    if iszero(and(fn, 1)) {
                        let skip := and(fn, sub(0, fn))
                        fn := div(fn, add(skip, iszero(skip)))
                        sn := fn
                    }
                }
                if iszero(and(eq(returndatasize(), 0x20), staticcall(gas(), 2, 0, 65, 0x21, 0x20))) { good := 0 }
                new := mload(0x21)
                fn := shr(1, fn)
                sn := shr(1, sn)
            }
            mstore8(0x40, 0)
            good := and(and(good, iszero(sn)), and(eq(old, last), eq(new, root)))
        }
    }
}
