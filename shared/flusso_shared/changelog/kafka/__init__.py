"""The change log in Kafka: one topic per table, one control topic, one consumer group per generation.

In reading order:

* `log`: puts the parts together.
* `writer`, `shrink`: publish, and make a large change fit into a message.
* `reader`, `offsets`: read as a member of a group, and track its offsets.
* `control`: the compacted control topic.
* `topics`: create topics and check those that exist.
* `groups`, `group_offsets`: the offsets of groups, from outside.
* `admin`: requests to the brokers.
* `probe`: asks whether a broker answers.
* `client`: makes the Kafka clients.
* `partitions`: partitions in our types and in those of the client.
* `errors`: Kafka's errors, by what to do about them.
"""
