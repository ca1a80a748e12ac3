"""Causes of a device's state: what the officer at the counter should know and do."""

from gateway.contract.vocabularies.entries import entries

_TECHNICIAN = (
    "The device cannot be used. Tell a technician.",
    "Kifaa hakiwezi kutumika. Mwambie fundi.",
    "L'appareil est inutilisable. Prévenez un technicien.",
)
_WORKS = (
    "The device works, but needs a technician.",
    "Kifaa kinafanya kazi, lakini kinahitaji fundi.",
    "L'appareil fonctionne, mais il lui faut un technicien.",
)
_RESTARTS = (
    "The device is opened again by itself. If that lasts, tell a technician.",
    "Kifaa kinafunguliwa tena chenyewe. Ikiendelea, mwambie fundi.",
    "L'appareil est rouvert automatiquement. Si cela dure, prévenez un technicien.",
)

DEVICE_CAUSES = entries({
    "no_device": (
        "Not plugged in", "Hakijachomekwa", "Non branché",
        "No device is there. Look at its cable.",
        "Hakuna kifaa. Angalia kebo yake.",
        "Aucun appareil. Vérifiez son câble.",
    ),
    "unplugged": (
        "Unplugged", "Kimechomolewa", "Débranché",
        "The device was unplugged. Plug it in again.",
        "Kifaa kimechomolewa. Kichomeke tena.",
        "L'appareil a été débranché. Rebranchez-le.",
    ),
    "port_held": (
        "Held by another program", "Kinatumiwa na programu nyingine", "Pris par un autre programme",
        *_TECHNICIAN,
    ),
    "no_permission": ("Access denied", "Ufikiaji umekataliwa", "Accès refusé", *_TECHNICIAN),
    "no_response": (
        "No answer", "Hakuna jibu", "Pas de réponse",
        "The device does not answer. Switch it off and on.",
        "Kifaa hakijibu. Kizime na ukiwashe.",
        "L'appareil ne répond pas. Éteignez-le et rallumez-le.",
    ),
    "wrong_device": ("Wrong device", "Kifaa si sahihi", "Mauvais appareil", *_TECHNICIAN),
    "wrong_format": ("Wrong settings", "Mipangilio si sahihi", "Mauvais réglages", *_TECHNICIAN),
    "address_ambiguous": ("Address not unique", "Anwani si ya kipekee", "Adresse ambiguë", *_TECHNICIAN),
    "link_failed": (
        "Link failed", "Kiungo kimeshindwa", "Liaison en panne",
        "The link to the device failed. Look at its cable.",
        "Kiungo cha kifaa kimeshindwa. Angalia kebo yake.",
        "La liaison avec l'appareil est en panne. Vérifiez son câble.",
    ),
    "simulated": ("Simulated device", "Kifaa cha kuigiza", "Appareil simulé", *_TECHNICIAN),
    "device_fault": (
        "Device reports a fault", "Kifaa kimeripoti hitilafu", "Défaut signalé",
        "The device reports a fault. Switch it off and on; if it stays, tell a technician.",
        "Kifaa kimeripoti hitilafu. Kizime na ukiwashe; ikibaki, mwambie fundi.",
        "L'appareil signale un défaut. Éteignez-le et rallumez-le ; s'il reste, prévenez un technicien.",
    ),
    "emergency": (
        "Emergency", "Dharura", "Urgence",
        "An emergency is active, or its end is not confirmed yet.",
        "Kuna dharura, au mwisho wake haujathibitishwa.",
        "Une urgence est en cours, ou sa fin n'est pas encore confirmée.",
    ),
    "maintenance": (
        "Under maintenance", "Kinatengenezwa", "En maintenance",
        "A technician works at this device.",
        "Fundi anafanyia kazi kifaa hiki.",
        "Un technicien travaille sur cet appareil.",
    ),
    "sensor_dirty": (
        "Dirty", "Kichafu", "Sale",
        "The device works, but is dirty. Wipe its window with a soft cloth.",
        "Kifaa kinafanya kazi, lakini ni kichafu. Futa kioo chake kwa kitambaa laini.",
        "L'appareil fonctionne, mais il est sale. Essuyez sa vitre avec un chiffon doux.",
    ),
    "tampered": ("Opened or torn off", "Kimefunguliwa au kung'olewa", "Ouvert ou arraché", *_WORKS),
    "channel_insecure": ("Link not protected", "Kiungo hakijalindwa", "Liaison non protégée", *_WORKS),
    "replacement_not_accepted": (
        "New device not accepted", "Kifaa kipya hakijakubaliwa", "Nouvel appareil non accepté",
        "Another device than before is there. A supervisor has to accept it.",
        "Kuna kifaa kingine tofauti na cha awali. Msimamizi anapaswa kukikubali.",
        "Un autre appareil qu'avant est présent. Un superviseur doit l'accepter.",
    ),
    "wrong_firmware": ("Other firmware", "Programu-tegemezi tofauti", "Autre micrologiciel", *_WORKS),
    "clock_wrong": ("Wrong clock", "Saa si sahihi", "Horloge fausse", *_WORKS),
    "worker_crashed": ("Driver ended", "Kiendeshi kimezimika", "Pilote arrêté", *_RESTARTS),
    "heartbeat_lost": ("Driver hung", "Kiendeshi kimekwama", "Pilote bloqué", *_RESTARTS),
    "worker_violation": ("Driver stopped", "Kiendeshi kimesimamishwa", "Pilote interrompu", *_TECHNICIAN),
    "babbling": ("Sends too much", "Kinatuma kupita kiasi", "Envoie trop", *_WORKS),
    "cpu_exceeded": ("Needs too much", "Kinatumia kupita kiasi", "Consomme trop", *_WORKS),
    "connections_held": ("Connections occupied", "Miunganisho imeshikiliwa", "Connexions occupées", *_WORKS),
    "driver_unusable": ("Driver missing", "Kiendeshi hakipo", "Pilote absent", *_TECHNICIAN),
    "forbidden_call": ("Driver stopped", "Kiendeshi kimesimamishwa", "Pilote interrompu", *_TECHNICIAN),
    "driver_error": ("Driver error", "Hitilafu ya kiendeshi", "Erreur du pilote", *_RESTARTS),
    "unknown": ("Unknown cause", "Sababu haijulikani", "Cause inconnue", *_TECHNICIAN),
})  # fmt: skip
