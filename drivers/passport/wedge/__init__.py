"""Document readers that type: from the events of a Linux keyboard to the lines of a document. All pure."""
