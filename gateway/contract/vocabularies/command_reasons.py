"""Reasons of commands that were not done: what the officer at the counter should know and do."""

from gateway.contract.vocabularies.entries import entries

_PROGRAM = (
    "This program sent a wrong command. Tell a technician.",
    "Programu hii ilituma amri isiyo sahihi. Mwambie fundi.",
    "Ce programme a envoyé une commande fausse. Prévenez un technicien.",
)
_KEY = (
    "The counter's key is not accepted at this post. Tell a technician.",
    "Ufunguo wa kaunta haukubaliki kwenye kituo hiki. Mwambie fundi.",
    "La clé du guichet n'est pas acceptée à ce poste. Prévenez un technicien.",
)
_UNCERTAIN = (
    "The device may have done all, part or nothing of it. Look at it before you try again.",
    "Kifaa huenda kimefanya yote, sehemu, au hakuna. Kiangalie kabla ya kujaribu tena.",
    "L'appareil a pu en faire tout, une partie ou rien. Regardez-le avant de réessayer.",
)
_AGAIN = (
    "Nothing was begun. Try again.",
    "Hakuna kilichoanzishwa. Jaribu tena.",
    "Rien n'a commencé. Réessayez.",
)

COMMAND_REASONS = entries({
    "bad_request": ("Wrong command", "Amri si sahihi", "Commande fausse", *_PROGRAM),
    "bad_signature": (
        "Command changed on its way", "Amri ilibadilishwa njiani", "Commande modifiée en route",
        "The command was changed on its way and was refused. Tell a technician.",
        "Amri ilibadilishwa njiani na imekataliwa. Mwambie fundi.",
        "La commande a été modifiée en route et refusée. Prévenez un technicien.",
    ),
    "busy": (
        "Device busy", "Kifaa kina shughuli", "Appareil occupé",
        "The device is busy. Wait until it has ended.",
        "Kifaa kina shughuli. Subiri hadi kimalize.",
        "L'appareil est occupé. Attendez qu'il ait terminé.",
    ),
    "cancelled": (
        "Cancelled", "Imeghairiwa", "Annulé",
        "The command was cancelled.", "Amri ilighairiwa.", "La commande a été annulée.",
    ),
    "claimed": (
        "In use by another counter", "Kinatumiwa na kaunta nyingine", "Utilisé par un autre guichet",
        "Another counter uses this device. Ask it to release the device.",
        "Kaunta nyingine inatumia kifaa hiki. Iombe ikiachie.",
        "Un autre guichet utilise cet appareil. Demandez-lui de le libérer.",
    ),
    "device_refused": (
        "Refused by the device", "Kifaa kimekataa", "Refusé par l'appareil",
        "The device refused. Look at it and its display.",
        "Kifaa kimekataa. Kiangalie pamoja na kioo chake.",
        "L'appareil a refusé. Regardez-le ainsi que son écran.",
    ),
    "driver_error": ("Unexpected error", "Hitilafu isiyotarajiwa", "Erreur inattendue", *_UNCERTAIN),
    "expired": ("Too late", "Imechelewa", "Trop tard", *_AGAIN),
    "foreign_authority": (
        "Device of another authority", "Kifaa cha mamlaka nyingine", "Appareil d'une autre autorité",
        "This device belongs to the other state's authority. Ask its officer.",
        "Kifaa hiki ni cha mamlaka ya nchi nyingine. Muulize afisa wake.",
        "Cet appareil appartient à l'autorité de l'autre État. Demandez à son agent.",
    ),
    "gateway_lost": ("Gateway ended", "Lango limezimika", "Passerelle arrêtée", *_UNCERTAIN),
    "id_reused": ("Wrong command", "Amri si sahihi", "Commande fausse", *_PROGRAM),
    "link_failed": ("Device lost", "Kifaa kimepotea", "Appareil perdu", *_UNCERTAIN),
    "maintenance": (
        "Under maintenance", "Kinatengenezwa", "En maintenance",
        "A technician works at this device. It obeys again afterwards.",
        "Fundi anafanyia kazi kifaa hiki. Kitatii tena baadaye.",
        "Un technicien travaille sur cet appareil. Il obéira de nouveau ensuite.",
    ),
    "malformed": ("Wrong command", "Amri si sahihi", "Commande fausse", *_PROGRAM),
    "no_expiry": ("Wrong command", "Amri si sahihi", "Commande fausse", *_PROGRAM),
    "not_claimed": (
        "Not your device", "Si kifaa chako", "Pas votre appareil",
        "This counter does not have the device now. Take it first.",
        "Kaunta hii haina kifaa hicho sasa. Kichukue kwanza.",
        "Ce guichet n'a pas l'appareil en ce moment. Prenez-le d'abord.",
    ),
    "command_seq_not_increasing": ("Out of order", "Nje ya mpangilio", "Hors séquence", *_AGAIN),
    "not_online": (
        "Device not available", "Kifaa hakipatikani", "Appareil indisponible",
        "The device does not obey now. Its state says why.",
        "Kifaa hakitii sasa. Hali yake inaeleza sababu.",
        "L'appareil n'obéit pas en ce moment. Son état indique pourquoi.",
    ),
    "not_recorded": (
        "Record not written", "Kumbukumbu haikuandikwa", "Non enregistré",
        "The post could not record the command, so it was not done. Tell a technician.",
        "Kituo hakikuweza kuandika amri, hivyo haikufanywa. Mwambie fundi.",
        "Le poste n'a pas pu enregistrer la commande : elle n'a pas été exécutée. Prévenez un technicien.",
    ),
    "not_permitted": (
        "Not permitted", "Hairuhusiwi", "Non autorisé",
        "This counter may not do that here. A supervisor knows who may.",
        "Kaunta hii hairuhusiwi kufanya hivyo hapa. Msimamizi anajua nani anaruhusiwa.",
        "Ce guichet n'en a pas le droit ici. Un superviseur sait qui l'a.",
    ),
    "not_supported": (
        "Not possible", "Haiwezekani", "Impossible",
        "This device cannot do that.",
        "Kifaa hiki hakiwezi kufanya hivyo.",
        "Cet appareil ne sait pas le faire.",
    ),
    "other_session": ("Gateway restarted", "Lango limeanza upya", "Passerelle redémarrée", *_AGAIN),
    "rate_limited": (
        "Too many commands", "Amri nyingi mno", "Trop de commandes",
        "Too many commands came at once. Wait a moment, then try again.",
        "Amri nyingi mno zimekuja kwa wakati mmoja. Subiri kidogo, kisha jaribu tena.",
        "Trop de commandes à la fois. Attendez un instant, puis réessayez.",
    ),
    "retained": ("Old command", "Amri ya zamani", "Ancienne commande", *_PROGRAM),
    "revoked_key": ("Key revoked", "Ufunguo umebatilishwa", "Clé révoquée", *_KEY),
    "not_fresh": ("Command too old", "Amri ni ya zamani mno", "Commande trop ancienne", *_AGAIN),
    "stopping": (
        "Gateway restarts", "Lango linaanza upya", "Redémarrage",
        "The gateway opens the device again. Try again when it is ready.",
        "Lango linafungua kifaa upya. Jaribu tena kikiwa tayari.",
        "La passerelle rouvre l'appareil. Réessayez quand il est prêt.",
    ),
    "timed_out": ("No answer in time", "Hakuna jibu kwa wakati", "Pas de réponse à temps", *_UNCERTAIN),
    "unknown_key": ("Key unknown", "Ufunguo haujulikani", "Clé inconnue", *_KEY),
    "unknown_station": (
        "Counter unknown", "Kaunta haijulikani", "Guichet inconnu",
        "This post does not know the counter. An administrator can add it.",
        "Kituo hiki hakiijui kaunta. Msimamizi anaweza kuiongeza.",
        "Ce poste ne connaît pas le guichet. Un administrateur peut l'ajouter.",
    ),
    "unsigned": ("Signature missing", "Saini haipo", "Signature absente", *_KEY),
    "unknown_verb": (
        "Not possible", "Haiwezekani", "Impossible",
        "This device has no such command.",
        "Kifaa hiki hakina amri hiyo.",
        "Cet appareil n'a pas cette commande.",
    ),
    "unsafe": (
        "Not safe", "Si salama", "Dangereux",
        "A person could be hurt. Clear the passage, then try again.",
        "Inaweza kumuumiza mtu. Ondoa vizuizi kwenye njia, kisha jaribu tena.",
        "Une personne pourrait être blessée. Dégagez le passage, puis réessayez.",
    ),
    "wrong_topic": ("Key of another counter", "Ufunguo wa kaunta nyingine", "Clé d'un autre guichet", *_KEY),
    "worker_lost": ("Driver ended", "Kiendeshi kimezimika", "Pilote arrêté", *_UNCERTAIN),
    "unknown": (
        "Unknown reason", "Sababu haijulikani", "Raison inconnue",
        "The command was not done. Look at the device.",
        "Amri haikufanywa. Angalia kifaa.",
        "La commande n'a pas été exécutée. Regardez l'appareil.",
    ),
})  # fmt: skip
