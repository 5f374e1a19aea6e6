"""Messages: renders an alert for a kind of channel, as long as its service takes.

It sends nothing, and never lets data of an event become markup or a mention. Read `render` first;
`fit` shortens what it renders, and `sms_text` counts the length of text messages.
"""
