/* C11 atomics with the order in the name. A default-order access is a bug that reads like a choice,
 * so nothing else in the library includes <stdatomic.h> for its operations. */
#ifndef FF__BASE_ATOMIC_H
#define FF__BASE_ATOMIC_H

#include <stdatomic.h>

#define ff__load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define ff__load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define ff__load_seqcst(p) atomic_load_explicit((p), memory_order_seq_cst)
#define ff__store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define ff__store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define ff__store_seqcst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)
#define ff__exchange_relaxed(p, v) atomic_exchange_explicit((p), (v), memory_order_relaxed)
#define ff__exchange_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define ff__exchange_release(p, v) atomic_exchange_explicit((p), (v), memory_order_release)
#define ff__exchange_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define ff__exchange_seqcst(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)
#define ff__add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define ff__add_release(p, v) atomic_fetch_add_explicit((p), (v), memory_order_release)
#define ff__add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define ff__add_seqcst(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define ff__sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define ff__sub_release(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_release)
#define ff__sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define ff__sub_seqcst(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define ff__or_seqcst(p, v) atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)

/* Compare-and-swap: success order in the name, failure relaxed unless the name says more. */
#define ff__cas_relaxed(p, expected, v)                                                 \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_relaxed, \
                                            memory_order_relaxed)
#define ff__cas_acquire(p, expected, v)                                                 \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acquire, \
                                            memory_order_relaxed)
#define ff__cas_acq_rel(p, expected, v)                                                 \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel, \
                                            memory_order_acquire)
#define ff__cas_seqcst(p, expected, v)                                                  \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_seq_cst, \
                                            memory_order_relaxed)
#define ff__cas_weak_release(p, expected, v)                                          \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_release, \
                                          memory_order_relaxed)
#define ff__cas_weak_relaxed(p, expected, v)                                          \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_relaxed, \
                                          memory_order_relaxed)
#define ff__cas_weak_seqcst(p, expected, v)                                           \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_seq_cst, \
                                          memory_order_relaxed)

#endif
