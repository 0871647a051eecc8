"""What each replica takes of a global batch: its rows, and its rows' random numbers.

Results do not depend on the number of replicas, for each example has its place in the global batch.
"""

import tensorflow as tf


def share(count, replicas, index):
    """Return (start, stop) of the rows of a batch that belong to a replica; shares differ by 1."""
    return count * index // replicas, count * (index + 1) // replicas


def shares(batches, replicas, first, local):
    """Return a `tf.data.Dataset` of what some neighbouring replicas take of each batch in turn.

    Args:
        batches: a `tf.data.Dataset` of tuples of tensors with the same first dimension.
        replicas: among how many a batch is divided.
        first, local: the number of the first of them here, and how many are here.
    """

    @tf.autograph.experimental.do_not_convert
    def of_batch(*tensors):
        @tf.autograph.experimental.do_not_convert
        def of_replica(index):
            start, stop = share(tf.shape(tensors[0], tf.int64)[0], replicas, index)
            return tuple(_static(tensor[start:stop], tensor, replicas) for tensor in tensors)

        return tf.data.Dataset.range(first, first + local).map(of_replica)

    return batches.flat_map(of_batch).prefetch(2 * local)


def _static(part, whole, replicas):
    """Say the size of a share where it is known."""
    size = whole.shape[0]
    if size is not None and size % replicas == 0:
        part.set_shape([size // replicas, *whole.shape[1:]])
    return part


def draw(distribution, shape, seed):
    """Return random numbers for this replica's rows, `shape`, of the global batch.

    All rows' numbers are drawn, which costs little beside the products that they go into.

    Args:
        distribution: such as `tf.random.stateless_normal`.
        shape: a tensor; every replica's is the same.
        seed: two integers; the same on every replica.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas == 1:
        return distribution(shape, seed)
    rows, rest = shape[:1], shape[1:]
    everything = distribution(tf.concat([rows * replicas, rest], axis=0), seed)
    index = tf.distribute.get_replica_context().replica_id_in_sync_group
    return everything[index * rows[0] : (index + 1) * rows[0]]
