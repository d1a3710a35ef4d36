//! Graphics, video, and what SPICE brings along.

use super::reading::attribute;
use super::{Unreadable, Words, file, meant, number, required, word};
use crate::display::{Display, Graphics, Listen, Spice, Video, Vnc};
use crate::tree::Element;

const GRAPHICS: Words<Graphics> =
    &[(Graphics::Qxl, "qxl"), (Graphics::Virtio, "virtio"), (Graphics::Vga, "vga")];

/// As anybody's password it is one that nobody can give; without the attribute anybody could come
/// in. What is armed later is never here.
const CLOSED: &str = "";

/// 4K, 32 bits a pixel, for each monitor.
const VGAMEM_KIB: u32 = 32 << 10;
/// QXL draws in four times as much.
const RAM_PER_VGAMEM: u32 = 4;
/// Where QXL keeps what it will draw again.
const VRAM_KIB: u32 = 64 << 10;

pub(super) fn render(display: &Display) -> Vec<Element> {
    let mut devices = Vec::new();
    if let Some(spice) = &display.spice {
        devices.push(graphics(spice));
        devices.extend(companions(spice));
    }
    devices.extend(display.vnc.as_ref().map(vnc));
    devices.push(video(display.video));
    devices
}

fn graphics(spice: &Spice) -> Element {
    let (mode, address) = match spice.listen {
        Listen::Loopback => ("insecure", "127.0.0.1".to_owned()),
        Listen::Tls(address) => ("secure", address.to_string()),
    };
    let yes = |is: bool| if is { "yes" } else { "no" };
    let element = Element::new("graphics")
        .with("type", "spice")
        .with("autoport", "yes")
        .with("defaultMode", mode)
        .with("passwd", CLOSED);
    element.within([
        Element::new("listen").with("type", "address").with("address", address),
        Element::new("image").with("compression", "auto_glz"),
        Element::new("streaming").with("mode", "filter"),
        Element::new("clipboard").with("copypaste", yes(spice.clipboard)),
        Element::new("filetransfer").with("enable", yes(spice.file_transfer)),
    ])
}

/// The agent for resolution and pointer, sound, USB and smart card.
fn companions(spice: &Spice) -> Vec<Element> {
    let target = Element::new("target").with("type", "virtio").with("name", "com.redhat.spice.0");
    let audio = if spice.audio { "spice" } else { "none" };
    let mut devices = vec![
        Element::new("channel").with("type", "spicevmc").within([target]),
        Element::new("audio").with("id", 1).with("type", audio),
    ];
    let redirection = Element::new("redirdev").with("bus", "usb").with("type", "spicevmc");
    devices.extend(std::iter::repeat_n(redirection, spice.usb_redirections.into()));
    if spice.smart_card {
        devices
            .push(Element::new("smartcard").with("mode", "passthrough").with("type", "spicevmc"));
    }
    devices
}

fn vnc(vnc: &Vnc) -> Element {
    let mut listen = Element::new("listen").with("type", "socket");
    if let Some(socket) = &vnc.socket {
        listen.set("socket", socket);
    }
    Element::new("graphics").with("type", "vnc").with("passwd", CLOSED).within([listen])
}

fn video(video: Video) -> Element {
    let mut model = Element::new("model").with("type", word(GRAPHICS, video.graphics));
    match video.graphics {
        Graphics::Qxl => {
            let vgamem = VGAMEM_KIB * u32::from(video.monitors).next_power_of_two();
            model.set("ram", RAM_PER_VGAMEM * vgamem);
            model.set("vram", VRAM_KIB);
            model.set("vgamem", vgamem);
        }
        Graphics::Vga => model.set("vram", VGAMEM_KIB),
        Graphics::Virtio => {}
    }
    Element::new("video").within([model.with("heads", video.monitors).with("primary", "yes")])
}

fn of<'a>(devices: &'a Element, name: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Element> {
    devices.children(name).filter(move |device| device.is("type", kind))
}

pub(super) fn read(devices: &Element) -> Result<Display, Unreadable> {
    let spice = of(devices, "graphics", "spice").next();
    let vnc = of(devices, "graphics", "vnc").next();
    Ok(Display {
        spice: spice.map(|graphics| read_spice(devices, graphics)).transpose()?,
        vnc: vnc.map(read_vnc).transpose()?,
        video: read_video(devices)?,
    })
}

fn read_spice(devices: &Element, graphics: &Element) -> Result<Spice, Unreadable> {
    let listen = if graphics.is("defaultMode", "secure") {
        let listen = required(graphics, &["listen"], "spice listen")?;
        Listen::Tls(number(attribute(listen, "address")?, "spice address")?)
    } else {
        Listen::Loopback
    };
    let is = |name: &str, attribute| {
        graphics.child(name).is_some_and(|element| element.is(attribute, "yes"))
    };
    let redirections = of(devices, "redirdev", "spicevmc").count();
    Ok(Spice {
        listen,
        clipboard: is("clipboard", "copypaste"),
        file_transfer: is("filetransfer", "enable"),
        audio: of(devices, "audio", "spice").next().is_some(),
        usb_redirections: u8::try_from(redirections).unwrap_or(u8::MAX),
        smart_card: of(devices, "smartcard", "spicevmc").next().is_some(),
    })
}

fn read_vnc(graphics: &Element) -> Result<Vnc, Unreadable> {
    let listen = required(graphics, &["listen"], "vnc listen")?;
    let socket = listen.attribute("socket").map(|socket| file(socket, "vnc socket"));
    Ok(Vnc { socket: socket.transpose()? })
}

fn read_video(devices: &Element) -> Result<Video, Unreadable> {
    let model = required(devices, &["video", "model"], "video")?;
    Ok(Video {
        graphics: meant(GRAPHICS, model.attribute("type"), "video")?,
        monitors: number(model.attribute("heads").unwrap_or("1"), "heads")?,
    })
}
