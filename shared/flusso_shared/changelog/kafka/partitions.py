"""Converts partitions between `seams.TopicPartition` and confluent_kafka's class.  Pure."""

from __future__ import annotations

import confluent_kafka

from flusso_shared.seams import TopicPartition


def to_confluent(
    at: TopicPartition, offset: int = confluent_kafka.OFFSET_INVALID
) -> confluent_kafka.TopicPartition:
    """The library's form of a partition and, if given, an offset."""
    return confluent_kafka.TopicPartition(at.topic, at.partition, offset)


def from_confluent(at: confluent_kafka.TopicPartition) -> TopicPartition:
    """The inverse of `to_confluent`."""
    return TopicPartition(at.topic, at.partition)
