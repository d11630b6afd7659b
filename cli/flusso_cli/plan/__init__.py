"""`flusso plan`: what the files here would change at what runs, before they are deployed.

In reading order:

* `command`: the command.
* `facts`, `gather`: what is known of files, database, brokers and bookkeeping; asks for it, and changes nothing.
* `source_facts`: what capture would find and do at the database.
* `decide`: from facts to the announcement.
* `differences`, `wording`: two plans of one index -> what differs, in words.
* `announcement`: what is announced, and as JSON.
* `text`: the same for people.
"""
