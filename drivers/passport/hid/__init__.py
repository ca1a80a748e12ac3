"""Document readers in HID mode: from reports to the text of documents. All pure."""
