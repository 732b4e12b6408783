"""What a report lacks and how to get it, in the reviewer's language: what is missing, then what to do."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "en": {
        "verdict": (
            "No person has confirmed the case.",
            "Read it and decide. A report is a person's word, never a machine's.",
        ),
        "incident.type": (
            "The kind of incident is not known.",
            "Choose it in the report editor: the harms of this case fit more than one, or none.",
        ),
        "reporter.email": (
            "The report names no e-mail address of the service.",
            "Set `service.reporter` in the settings: the authority asks questions there.",
        ),
        "suspect.account": ("The report names nobody.", "Say which account of the case is the reported one."),
        "danger.reason": (
            "A child may be in immediate danger, and no reason is given to the authority.",
            "Write in a sentence what may happen, to whom, and when: that makes it urgent. Without such danger, take that harm off.",
        ),
        "lines.read": (
            "No message that counts has been read by a person.",
            "Read the marked messages and mark those that show what happened.",
        ),
        "suspect.ip": (
            "There is no IP address of the reported account with its time.",
            "Ask the service's identity resolver for sign-ins and uploads; with the port where it is kept.",
        ),
        "child.account": (
            "The report names no child.",
            "Say which account of the case may be the child's, even where little is known of them.",
        ),
        "suspect.contact": (
            "There is no e-mail address or telephone number of the reported account.",
            "Ask the service's identity resolver, recovery addresses and past ones too.",
        ),
        "child.age": (
            "The age of a child is not known in years.",
            "Look for it in the profile, in what the child said of themselves, or ask the identity resolver; say how it is known.",
        ),
        "child.reach": (
            "Nothing says how the child could be found.",
            "An IP address with its time, an e-mail address, a school or a town is enough to begin with.",
        ),
        "media.decided": (
            "There are files that nobody has judged and that are on no list. They are left out.",
            "Look at them, and say of each whether it is what is reported.",
        ),
        "media.viewed": (
            "There are files that nobody has seen whole and unblurred; the report says so.",
            "Nothing has to be viewed. If somebody does, it is recorded and the report says that instead.",
        ),
        "media.held": (
            "There are files that the service does not hold, so only their hashes are named.",
            "Look whether they can still be preserved from the service's storage or its backups.",
        ),
        "words": (
            "A note uses a word that puts it on the child, such as one of agreeing or of a love affair.",
            "Write what the reported person did.",
        ),
        "suspect.name": ("The name of the reported person is not known.", "Ask the service's identity resolver, billing data too."),
        "suspect.place": ("Nothing says where the reported person is.", "Give the country at least, where the service knows it."),
        "suspect.device": (
            "There is no device of the reported account.",
            "Ask the service's identity resolver for device or advertising ids.",
        ),
        "suspect.one": (
            "The case has more than one reported account. This report names the first.",
            "Open a case for each other one; each gets a report of its own that refers to this one.",
        ),
        "suspect.minor": (
            "The reported account says that it is a minor's, and nobody has verified that.",
            "Have it assured by somebody other than its holder. Until then the report does not say that both are minors.",
        ),
        "channel": ("The report does not say where on the service it happened.", "Add the room, game or address."),
        "company": (
            "What every report says of your company is not set.",
            "Set `service.template` and a contact or a legal address in the settings: how to serve legal process, how long data is kept.",
        ),
    },
    "es": {
        "verdict": (
            "Ninguna persona ha confirmado el caso.",
            "Léalo y decida. Un informe es la palabra de una persona, nunca la de una máquina.",
        ),
        "incident.type": (
            "No se sabe de qué tipo de incidente se trata.",
            "Elíjalo en el editor del informe: los daños de este caso encajan en más de uno, o en ninguno.",
        ),
        "reporter.email": (
            "El informe no da ninguna dirección de correo del servicio.",
            "Indique `service.reporter` en la configuración: allí pregunta la autoridad.",
        ),
        "suspect.account": ("El informe no nombra a nadie.", "Diga qué cuenta del caso es la denunciada."),
        "danger.reason": (
            "Un niño o una niña puede estar en peligro inmediato y no se da ningún motivo a la autoridad.",
            "Escriba en una frase qué puede ocurrir, a quién y cuándo: eso lo hace urgente. Si no hay tal peligro, quite ese daño.",
        ),
        "lines.read": (
            "Ninguna persona ha leído un mensaje que cuente.",
            "Lea los mensajes marcados y señale los que muestran lo ocurrido.",
        ),
        "suspect.ip": (
            "No hay ninguna dirección IP de la cuenta denunciada con su hora.",
            "Pida al servicio de identidad los inicios de sesión y las subidas, con el puerto si se guarda.",
        ),
        "child.account": (
            "El informe no nombra a ningún niño o niña.",
            "Diga qué cuenta del caso puede ser la suya, aunque se sepa poco.",
        ),
        "suspect.contact": (
            "No hay correo ni teléfono de la cuenta denunciada.",
            "Pídalos al servicio de identidad, también los de recuperación y los anteriores.",
        ),
        "child.age": (
            "No se sabe la edad en años de un niño o una niña.",
            "Búsquela en el perfil o en lo que dijo de sí, o pídala al servicio de identidad; diga cómo se sabe.",
        ),
        "child.reach": (
            "Nada dice cómo se podría encontrar al niño o a la niña.",
            "Basta para empezar una dirección IP con su hora, un correo, un colegio o una ciudad.",
        ),
        "media.decided": (
            "Hay archivos que nadie ha valorado y que no están en ninguna lista. No se incluyen.",
            "Mírelos y diga de cada uno si es lo que se denuncia.",
        ),
        "media.viewed": (
            "Hay archivos que nadie ha visto enteros y sin desenfocar; el informe lo dice.",
            "No hace falta verlos. Si alguien lo hace, queda registrado y el informe lo dirá.",
        ),
        "media.held": (
            "Hay archivos que el servicio no conserva; solo se dan sus huellas.",
            "Vea si aún pueden conservarse desde el almacenamiento del servicio o sus copias.",
        ),
        "words": (
            "Una nota usa una palabra que carga la culpa al niño o a la niña, como si hubiera aceptado o fuera un amorío.",
            "Escriba lo que hizo la persona denunciada.",
        ),
        "suspect.name": ("No se sabe el nombre de la persona denunciada.", "Pídalo al servicio de identidad, también los datos de pago."),
        "suspect.place": ("Nada dice dónde está la persona denunciada.", "Dé al menos el país, si el servicio lo sabe."),
        "suspect.device": (
            "No hay ningún dispositivo de la cuenta denunciada.",
            "Pida al servicio de identidad los identificadores de dispositivo o de publicidad.",
        ),
        "suspect.one": (
            "El caso tiene más de una cuenta denunciada. Este informe nombra la primera.",
            "Abra un caso por cada otra; cada una tendrá un informe propio que remita a este.",
        ),
        "suspect.minor": (
            "La cuenta denunciada dice ser de un menor y nadie lo ha verificado.",
            "Haga que lo asegure alguien que no sea su titular. Hasta entonces el informe no dice que ambos son menores.",
        ),
        "channel": ("El informe no dice en qué parte del servicio ocurrió.", "Añada la sala, el juego o la dirección."),
        "company": (
            "No está configurado lo que todo informe dice de su empresa.",
            "Indique `service.template` y un contacto o una dirección legal en la configuración: cómo notificar, cuánto se guarda.",
        ),
    },
}
