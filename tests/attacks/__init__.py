"""What a hostile mirror, proxy, publisher or witness could try, and that it is found out by the partner's command.

world      an honest publisher with two of three witnesses, as a service on the loopback and as a mirror's files
proxy      stands between the partner and the service, and changes what it likes
tampering  the attacks of a mirror or proxy: what becomes of each file or answer
"""
