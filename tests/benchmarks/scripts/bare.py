"""The simplest candidate: serial line in, MQTT out, nothing stored. Usage: bare.py PTY PORT."""

import os
import select
import sys

import paho.mqtt.client as mqtt
import serial

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.connect("127.0.0.1", int(sys.argv[2]))
client.loop_start()
port = serial.Serial(sys.argv[1], 115200, timeout=None)
rest = b""
while True:
    # In pieces, as they come: pyserial's readline() asks the kernel for every single byte.
    select.select([port.fd], [], [])
    *lines, rest = (rest + os.read(port.fd, 4096)).split(b"\n")
    for line in lines:
        client.publish("bench/bare", line.strip(), qos=1)
